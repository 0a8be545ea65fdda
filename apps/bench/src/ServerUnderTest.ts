import { Command, FileSystem } from "@effect/platform"
import { Deferred, Effect, Stream } from "effect"
import { BenchFailure } from "./BenchFailure.js"
import * as Places from "./Places.js"

/** A server in a process of its own, which ends with the scope. */
export interface ServerUnderTest {
  readonly url: string
  readonly pid: number
}

/** Seconds between SIGTERM and SIGKILL. */
export const gracePeriod = 1

/** Executions that may run at once, one user's or not: the load is the bench's choice. */
export const places = 64

const environment = (directory: string) => ({
  PORT: "0",
  HOST: "127.0.0.1",
  SANDBOX_BACKEND: "embedded",
  SANDBOX_API_KEYS: "",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: String(places),
  SANDBOX_MAX_SANDBOXES_PER_USER: String(places),
  SANDBOX_KILL_GRACE_PERIOD: String(gracePeriod),
  SANDBOX_DATA_DIR: directory,
  SANDBOX_EVENT_LOG: "off"
})

const lines = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  bytes.pipe(Stream.decodeText(), Stream.splitLines, Stream.orDie)

const notStarted = (why: string) => new BenchFailure({ message: `the server did not start: ${why}` })

/** Starts the server the way `npm start` does, on a free port; done when it says where it listens. */
export const start = Effect.gen(function* () {
  const listening = yield* Deferred.make<string, BenchFailure>()
  const directory = yield* Effect.orDie(
    Effect.flatMap(FileSystem.FileSystem, (files) =>
      files.makeTempDirectoryScoped({ prefix: "bulkhead-bench-" })
    )
  )
  const child = yield* Command.make(Places.node, "scripts/start.mjs").pipe(
    Command.workingDirectory(Places.root),
    Command.env(environment(directory)),
    Command.start,
    Effect.mapError(({ message }) => notStarted(message))
  )
  const said: Array<string> = []
  yield* lines(child.stderr).pipe(
    Stream.runForEach((line) => Effect.sync(() => said.push(line))),
    Effect.zipRight(Effect.suspend(() => Deferred.fail(listening, notStarted(said.join(" "))))),
    Effect.forkScoped
  )
  yield* lines(child.stdout).pipe(
    Stream.runForEach((line) => {
      const [, url] = /listening on (http:\S+)/.exec(line) ?? []
      return url === undefined ? Effect.void : Deferred.succeed(listening, url)
    }),
    Effect.forkScoped
  )
  const server: ServerUnderTest = { url: yield* Deferred.await(listening), pid: child.pid }
  return server
})
