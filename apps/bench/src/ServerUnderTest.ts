import { type ExecutionRequestInput, ExecutionResult } from "@bulkhead/domain"
import { Command, FileSystem, HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { Deferred, Duration, Effect, Stream } from "effect"
import * as ClosedLoop from "./ClosedLoop.js"
import { MeasurementFailure } from "./Measurement.js"

/** A server in a process of its own, which ends with the scope. */
export interface ServerUnderTest {
  readonly url: string
  readonly pid: number
}

/** Seconds between SIGTERM and SIGKILL. */
export const gracePeriod = 1

/** Executions that may run at once, one user's or not: the load is the bench's choice. */
const places = 64

const environment = (data: string) => ({
  PORT: "0",
  HOST: "127.0.0.1",
  SANDBOX_BACKEND: "embedded",
  SANDBOX_API_KEYS: "",
  SANDBOX_MAX_CONCURRENT_SANDBOXES: String(places),
  SANDBOX_MAX_SANDBOXES_PER_USER: String(places),
  SANDBOX_KILL_GRACE_PERIOD: String(gracePeriod),
  SANDBOX_DATA_DIR: data,
  SANDBOX_EVENT_LOG: "off"
})

const lines = <E>(bytes: Stream.Stream<Uint8Array, E>) =>
  bytes.pipe(Stream.decodeText(), Stream.splitLines, Stream.orDie)

/** Starts a server on a free port by a script of a checkout, with more settings; done when it says where it listens. */
export const start = Effect.fn("ServerUnderTest.start")(function* (
  directory: string,
  script: string,
  settings: Readonly<Record<string, string>> = {}
) {
  const failure = (why: string) =>
    new MeasurementFailure({ message: `the server in ${directory} did not start: ${why}` })
  const listening = yield* Deferred.make<string, MeasurementFailure>()
  const fs = yield* FileSystem.FileSystem
  const data = yield* Effect.orDie(fs.makeTempDirectoryScoped({ prefix: "bulkhead-bench-" }))
  const child = yield* Command.make(process.execPath, script).pipe(
    Command.workingDirectory(directory),
    Command.env({ ...environment(data), ...settings }),
    Command.start,
    Effect.mapError(({ message }) => failure(message))
  )
  // An earlier version says on stdout where it listens.
  yield* Stream.merge(lines(child.stdout), lines(child.stderr)).pipe(
    Stream.tap((line) => {
      const [, url] = /listening on (http:\S+)/.exec(line) ?? []
      return url === undefined ? Effect.void : Deferred.succeed(listening, url)
    }),
    Stream.runFold("", (last, line) => (line === "" ? last : line)),
    Effect.flatMap((why) => Deferred.fail(listening, failure(why))),
    Effect.forkScoped
  )
  const server: ServerUnderTest = { url: yield* Deferred.await(listening), pid: child.pid }
  return server
})

const noAnswer =
  (route: string) =>
  ({ message }: { readonly message: string }) =>
    new MeasurementFailure({ message: `${route}: ${message}` })

/** Waits until the server says that it is well. */
export const health = Effect.fn("ServerUnderTest.health")(({ url }: ServerUnderTest) =>
  HttpClient.get(`${url}/health`).pipe(
    Effect.flatMap(HttpClientResponse.filterStatusOk),
    // A connection that is kept is free again only when its answer has been read.
    Effect.flatMap(({ text }) => text),
    Effect.mapError(noAnswer("/health"))
  )
)

/** How long the server takes to say so, in milliseconds. */
export const healthMs = (server: ServerUnderTest) =>
  Effect.map(Effect.timed(health(server)), ([took]) => Duration.toMillis(took))

const route = "/api/execute"

/** Has a program run; whatever comes of it. */
export const execute = Effect.fn("ServerUnderTest.execute")(
  ({ url }: ServerUnderTest, request: ExecutionRequestInput) =>
    HttpClientRequest.post(`${url}${route}`).pipe(
      HttpClientRequest.bodyJson(request),
      Effect.orDie,
      Effect.flatMap(HttpClient.execute),
      Effect.flatMap(HttpClientResponse.schemaBodyJson(ExecutionResult)),
      Effect.mapError(noAnswer(route))
    )
)

/** Has a Python program run again and again, which must complete with this output. `name` is for failures. */
export const load = (name: string, { url }: ServerUnderTest, code: string, stdout: string) =>
  ClosedLoop.posting(name, new URL(route, url), { code }, [
    '"verdict":"Completed"',
    `"stdout":${JSON.stringify(stdout)}`
  ])
