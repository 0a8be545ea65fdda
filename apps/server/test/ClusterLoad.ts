import { Clock, Effect, Random, Schedule } from "effect"
import * as Caller from "./Caller.js"
import type { Replica } from "./ClusterReplica.js"
import type { Submission } from "./ClusterTurns.js"
import * as Load from "./CrashLoad.js"
import { ServerProcess } from "./ServerProcess.js"

export interface ClusterLoadOptions {
  readonly seed: number
  readonly mark: string
  readonly journal: Load.Journal
  /** What was begun, and then waited for its turn. */
  readonly submissions: Array<Submission>
  /** Is told of what has ended. */
  readonly receiver: string
  /** Some of them may be down. */
  readonly replicas: ReadonlyArray<Replica>
}

const users = 20

export const nameOf = (index: number) => `user-${index}`

/** Everybody but those who stand for a key. */
export const names = Array.from({ length: users }, (_, index) => nameOf(index))

const programs = [
  "echo hello",
  "sleep 0.3; echo awake",
  "sleep 1.2; echo awake",
  "sleep 2.5; echo awake",
  "echo bad >&2; exit 3",
  "setsid sleep 600 & echo left",
  `mkdir -p "$SANDBOX_OUTPUT_DIR"; head -c 70000 /dev/zero | tr '\\0' x > "$SANDBOX_OUTPUT_DIR/data.txt"`
]

const pick = <A>(values: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, values.length), (index) => values[index])

const chance = (probability: number) => Effect.map(Random.next, (roll) => roll < probability)

/** One that is believed to answer, and its address. */
const someone = ({ replicas }: ClusterLoadOptions) =>
  pick(replicas.flatMap(({ life, name }) => (life === undefined ? [] : [{ name, service: life.service }])))

type Request = Load.Ask["request"]

/** The status, if there is an answer: one that stands still answers when it goes on, or never. */
const askOne = Effect.fnUntraced(function* (it: ClusterLoadOptions, request: Request) {
  const server = yield* someone(it)
  if (server === undefined) return undefined
  const answer = yield* Load.ask(it.journal, request).pipe(
    Effect.provideService(ServerProcess, server.service),
    Effect.timeout("30 seconds"),
    Effect.option
  )
  return answer._tag === "Some" ? answer.value.status : undefined
})

const begin = (request: Request) =>
  Caller.tryFetchJson("/api/executions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request)
  })

/** Begins an execution that goes on without its caller. Gives its id, once it waits. */
const beginOne = Effect.fnUntraced(function* (it: ClusterLoadOptions, request: Request) {
  const server = yield* someone(it)
  if (server === undefined) return undefined
  const sentAt = yield* Clock.currentTimeMillis
  const answer = yield* begin(request).pipe(
    Effect.provideService(ServerProcess, server.service),
    Effect.timeout("30 seconds"),
    Effect.option
  )
  if (answer._tag === "None" || answer.value.status !== 202) return undefined
  const { executionId } = answer.value.body
  const acceptedAt = yield* Clock.currentTimeMillis
  it.submissions.push({ executionId, userId: request.userId, replica: server.name, sentAt, acceptedAt })
  return executionId as string
})

/** Asks whoever answers until an execution has ended. What is told then counts as an answer. */
const awaitEnd = (it: ClusterLoadOptions, request: Request, executionId: string) =>
  Effect.gen(function* () {
    const server = yield* Effect.flatMap(someone(it), Effect.fromNullable)
    const { body, status } = yield* Caller.tryFetchJson(
      `/api/sandbox/executions/${executionId}`,
      Caller.asAdmin
    ).pipe(Effect.provideService(ServerProcess, server.service), Effect.timeout("5 seconds"))
    const result = yield* Effect.fromNullable(status === 200 ? body.result : undefined)
    it.journal.push({ request, answer: { status: 200, body: result } })
  }).pipe(Effect.retry({ times: 60, schedule: Schedule.spaced("1 second") }), Effect.ignore)

const beginInTurn = Effect.fnUntraced(function* (it: ClusterLoadOptions, request: Request, times: number) {
  const begun: Array<string> = []
  for (let time = 0; time < times; time++) {
    const executionId = yield* beginOne(it, request)
    if (executionId !== undefined) begun.push(executionId)
  }
  yield* Effect.forEach(begun, (executionId) => awaitEnd(it, request, executionId), {
    concurrency: "unbounded"
  })
  return begun.length === times
})

const askAtOnce = (it: ClusterLoadOptions, request: Request, times: number) =>
  Effect.map(
    Effect.all(
      Array.from({ length: times }, () => askOne(it, request)),
      { concurrency: "unbounded" }
    ),
    (statuses) => statuses.every((status) => status === 200)
  )

const user = Effect.fnUntraced(function* (it: ClusterLoadOptions, index: number) {
  for (let number = 0; ; number++) {
    const code = (yield* pick(programs)) ?? "true"
    const hasKey = yield* chance(0.35)
    const key = `${it.seed}.${index}.${number}`
    // A key has a user of its own, so that all its executions can be found.
    const userId = hasKey ? `key-${key}` : nameOf(index)
    const env = { MARK: it.mark, FOR_USER: userId, ...(hasKey && { FOR_KEY: key }) }
    const request: Request = {
      code,
      language: "bash",
      userId,
      env,
      ...(hasKey && { idempotencyKey: key }),
      ...((yield* chance(0.5)) && { webhook: `${it.receiver}/${key}` })
    }
    // A key is often asked for by way of two servers at the same time; a user without one has several that run.
    const times = (yield* chance(0.4)) ? 3 : 1
    const goesOn = !hasKey && (yield* chance(0.5))
    const isWell = yield* goesOn ? beginInTurn(it, request, times) : askAtOnce(it, request, times)
    if (!isWell) yield* Effect.sleep("300 millis")
  }
})

/** Users at work over all servers, until it is interrupted. */
export const run = (options: ClusterLoadOptions) =>
  Effect.forEach(
    Array.from({ length: users }, (_, index) => index),
    (index) => Effect.withRandom(user(options, index), Random.make(`${options.seed}.${index}`)),
    { concurrency: "unbounded", discard: true }
  )
