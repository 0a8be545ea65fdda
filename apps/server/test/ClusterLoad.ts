import { Effect, Random } from "effect"
import * as Load from "./CrashLoad.js"
import { ServerProcess } from "./ServerProcess.js"

type Server = ServerProcess["Type"]

export interface ClusterLoadOptions {
  readonly seed: number
  readonly mark: string
  readonly journal: Load.Journal
  /** Those that are believed to answer. */
  readonly servers: () => ReadonlyArray<Server>
}

const users = 20

const programs = [
  "echo hello",
  "sleep 0.3; echo awake",
  "sleep 1.2; echo awake",
  "sleep 2.5; echo awake",
  "echo bad >&2; exit 3",
  "setsid sleep 600 & echo left"
]

const pick = <A>(values: ReadonlyArray<A>) =>
  Effect.map(Random.nextIntBetween(0, values.length), (index) => values[index])

const askOne = Effect.fnUntraced(function* (it: ClusterLoadOptions, request: Load.Ask["request"]) {
  const server = yield* pick(it.servers())
  if (server === undefined) return undefined
  // One that stands still answers when it goes on, or never.
  const answer = yield* Load.ask(it.journal, request).pipe(
    Effect.provideService(ServerProcess, server),
    Effect.timeout("20 seconds"),
    Effect.option
  )
  return answer._tag === "Some" ? answer.value.status : undefined
})

const user = Effect.fnUntraced(function* (it: ClusterLoadOptions, index: number) {
  for (let number = 0; ; number++) {
    const code = (yield* pick(programs)) ?? "true"
    const hasKey = (yield* Random.next) < 0.35
    const key = `${it.seed}.${index}.${number}`
    // A key has a user of its own, so that all its executions can be found.
    const userId = hasKey ? `key-${key}` : `user-${index}`
    const env = { MARK: it.mark, FOR_USER: userId, ...(hasKey && { FOR_KEY: key }) }
    const request: Load.Ask["request"] = {
      code,
      language: "bash",
      userId,
      env,
      ...(hasKey && { idempotencyKey: key })
    }
    // A key is often asked for by way of two servers at the same time; a user without one has several that run.
    const times = (yield* Random.next) < 0.4 ? 3 : 1
    const statuses = yield* Effect.all(
      Array.from({ length: times }, () => askOne(it, request)),
      { concurrency: "unbounded" }
    )
    if (statuses.some((status) => status !== 200)) yield* Effect.sleep("300 millis")
  }
})

/** Users at work over all servers, until it is interrupted. */
export const run = (options: ClusterLoadOptions) =>
  Effect.forEach(
    Array.from({ length: users }, (_, index) => index),
    (index) => Effect.withRandom(user(options, index), Random.make(`${options.seed}.${index}`)),
    { concurrency: "unbounded", discard: true }
  )
