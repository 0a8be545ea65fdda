import type { ExecutionRequestInput, ExecutionResult, ExecutionSummary } from "@bulkhead/domain"
import { Effect, Random } from "effect"
import * as Caller from "./Caller.js"

/** One request, and its answer if the whole of it came. */
export interface Ask {
  readonly request: ExecutionRequestInput & { readonly userId: string }
  answer?: { readonly status: number; readonly body: ExecutionResult }
}

/** Everything that callers have asked for, in the order in which they did. */
export type Journal = Array<Ask>

export interface LoadOptions {
  /** What makes the users and keys of this load its own. */
  readonly name: string
  /** A variable of every program's environment, by which its processes are found. */
  readonly mark: string
  readonly journal: Journal
}

type Program = Omit<ExecutionRequestInput, "userId">

const shell = (code: string): Program => ({ code, language: "bash" })

const programs: ReadonlyArray<Effect.Effect<Program>> = [
  Effect.succeed(shell("echo hello")),
  Effect.succeed({ code: "print(sum(range(100000)))", language: "python" }),
  Effect.succeed({ code: "print('x' * 20000)", language: "python" }),
  Effect.succeed({ code: "raise ValueError('no')", language: "python" }),
  Effect.map(Random.nextIntBetween(1, 120), (status) => shell(`echo bad >&2; exit ${status}`)),
  Effect.map(Random.nextIntBetween(1, 15), (tenths) => shell(`sleep ${tenths / 10}; echo awake`)),
  Effect.map(Random.nextIntBetween(1, 15), (tenths) => shell(`sleep ${tenths / 10}; echo awake`)),
  Effect.succeed({ ...shell("echo begun; sleep 600"), timeout: 0.4 }),
  Effect.succeed(shell("setsid sleep 600 & echo left")),
  Effect.map(Random.nextIntBetween(1, 200_000), (bytes) =>
    shell(
      `mkdir -p "$SANDBOX_OUTPUT_DIR"; cd "$SANDBOX_OUTPUT_DIR"
echo '{"bytes": ${bytes}}' > size.json; head -c ${bytes} /dev/zero | tr '\\0' x > data.txt`
    )
  )
]

const chance = (probability: number) => Effect.map(Random.next, (roll) => roll < probability)

const pick = <A>(values: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, values.length), (index) => values[index])

const programOf = Effect.gen(function* () {
  const program = yield* pick(programs)
  return program === undefined ? shell("true") : yield* program
})

/** Asks, and notes what is answered. Fails when the server is gone. */
export const ask = Effect.fnUntraced(function* (journal: Journal, request: Ask["request"]) {
  const asked: Ask = { request }
  journal.push(asked)
  const answer = yield* Caller.tryPost(request)
  asked.answer = answer
  return answer
})

const caller = Effect.fnUntraced(function* ({ journal, mark, name }: LoadOptions, index: number) {
  for (let number = 0; ; number++) {
    const program = { ...(yield* programOf), env: { MARK: mark } }
    const hasKey = yield* chance(0.35)
    // A key has a user of its own, so that all its executions can be found.
    const keyed = { idempotencyKey: `${name}.${index}.${number}`, userId: `${name}.${index}.${number}` }
    const request = { ...program, ...(hasKey ? keyed : { userId: `caller-${index}` }) }
    const times = hasKey && (yield* chance(0.3)) ? 2 : 1
    const asked = Effect.all(
      Array.from({ length: times }, () => ask(journal, request)),
      { concurrency: "unbounded" }
    )
    const patience = (yield* chance(0.08)) ? yield* Random.nextIntBetween(1, 300) : 60_000
    const answers = yield* Effect.timeoutOption(asked, patience)
    const isRefused = answers._tag === "Some" && answers.value.some(({ status }) => status !== 200)
    if (isRefused) yield* Effect.sleep("100 millis")
  }
})

/** Now and then ends one of those that run. */
const killer = Effect.gen(function* () {
  for (;;) {
    yield* Effect.sleep(yield* Random.nextIntBetween(100, 500))
    const { body } = yield* Caller.tryFetchJson("/api/sandbox/executions?state=running", Caller.asAdmin)
    const running: ReadonlyArray<ExecutionSummary> = body.executions ?? []
    if (running.length === 0) continue
    const victim = yield* pick(running)
    const path = `/api/sandbox/kill/${victim?.executionId}`
    yield* Caller.tryFetchJson(path, { method: "POST", ...Caller.asAdmin })
  }
})

const callers = 6

/** Callers and an operator at work, until the server is gone. */
export const run = (options: LoadOptions) =>
  Effect.forEach(
    [killer, ...Array.from({ length: callers }, (_, index) => caller(options, index))],
    (one, index) => Effect.withRandom(Effect.ignore(one), Random.make(`${options.name}.${index}`)),
    { concurrency: "unbounded", discard: true }
  )
