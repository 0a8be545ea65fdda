import { EmbeddedHost } from "@bulkhead/host"
import { FileSystem } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Sandbox } from "e2b"
import { Console, Duration, Effect, Option, Redacted } from "effect"
import * as Checkout from "./Checkout.js"
import * as ClosedLoop from "./ClosedLoop.js"
import * as Interleave from "./Interleave.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure, type Row } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerTimes from "./ServerTimes.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

const concurrencies = [1, 2, 4, 8]
const warmUpConcurrency = 4

/** The row that the others are compared with. */
const bare = "bare process"
const http = "POST /api/execute"
const theirHttp = "POST, theirs"

const program = ["/usr/bin/python3", "-c", "print(1)"]

const bubblewrap = [
  ...["/usr/bin/bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", "/usr", "/usr"],
  ...["--symlink", "usr/bin", "/bin", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"],
  ...["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--"]
]

/** A process without any help, started by `posix_spawn`. */
const spawnedRow = (name: string, command: ReadonlyArray<string>) =>
  Effect.map(
    ClosedLoop.spawning(name, command),
    (run): Row => ({ name, how: command.join(" "), isSteady: true, run })
  )

const callSdk = <A>(what: string, promise: () => Promise<A>) =>
  Effect.tryPromise({
    try: promise,
    catch: (error) => new MeasurementFailure({ message: `raw e2b SDK: ${what}: ${String(error)}` })
  })

/** The SDK as its users call it, on an embedded host in this process. */
const sdkRow = Effect.gen(function* () {
  const { apiKey, url } = yield* EmbeddedHost
  const options = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
  const once = Effect.acquireUseRelease(
    callSdk("create", () => Sandbox.create(options)),
    (sandbox) => callSdk("run", () => sandbox.commands.run("python3 -c 'print(1)'")),
    (sandbox) => Effect.orDie(callSdk("kill", () => sandbox.kill()))
  ).pipe(
    Effect.filterOrFail(
      ({ exitCode, stdout }) => exitCode === 0 && stdout === "1\n",
      (result) => new MeasurementFailure({ message: `raw e2b SDK: ${JSON.stringify(result)}` })
    )
  )
  const row: Row = {
    name: "raw e2b SDK",
    how: "Sandbox.create, commands.run(\"python3 -c 'print(1)'\"), kill; the embedded host in the same process",
    run: (concurrency, duration) => ClosedLoop.run(once, concurrency, duration)
  }
  return row
})

/** The API on a bundled server. */
const httpRow = Effect.fnUntraced(function* (
  name: string,
  how: string,
  server: ServerUnderTest.ServerUnderTest
) {
  const fs = yield* FileSystem.FileSystem
  const cpuMs = Effect.provideService(Machine.cpuMs(server.pid), FileSystem.FileSystem, fs)
  const post = yield* ServerUnderTest.load(name, server, "print(1)", "1\n")
  const row: Row = {
    name,
    how,
    run: (concurrency, duration) => Machine.withCpuMs(post(concurrency, duration), cpuMs)
  }
  return row
})

/** The server of another checkout. */
const theirRow = (directory: string) =>
  Effect.flatMap(ServerUnderTest.start(directory, Checkout.serverBundle), (server) =>
    httpRow(theirHttp, `the same, to the server of ${directory}`, server)
  )

const compareServers = (samples: ReadonlyArray<Interleave.Sample>) =>
  concurrencies.map((concurrency) =>
    Interleave.versus(
      `${http}, ${concurrency} at once: executions a second`,
      Interleave.rates(samples, http, concurrency),
      Interleave.rates(samples, theirHttp, concurrency)
    )
  )

const step = (title: string) => Console.error(`${title} …`)

/** Measures what real sandboxes cost beside bare processes, and beside the server of another checkout, if any. */
export const measure = Effect.fn("RealSandboxes.measure")(
  function* (options: Options, theirs: Option.Option<string>) {
    yield* step("Starting the server")
    const startUps = yield* Effect.replicateEffect(ServerTimes.startUp(Checkout.ours), options.starts)
    const server = yield* ServerUnderTest.start(Checkout.ours, Checkout.serverBundle)
    const rows = yield* Effect.all([
      spawnedRow(bare, program),
      spawnedRow("plain bubblewrap", [...bubblewrap, ...program]),
      sdkRow,
      httpRow(http, 'code "print(1)", to the bundled server in its own process', server),
      ...Option.toArray(Option.map(theirs, theirRow))
    ])
    yield* step("Warming up")
    yield* Interleave.warmUp(rows, warmUpConcurrency, Duration.millis(options.warmUpMs))
    yield* step(`Running ${rows.length} rows in turns`)
    const duration = Duration.millis(options.blockMs)
    const samples = yield* Interleave.run(rows, concurrencies, options.rounds, duration)
    yield* step("Greeting the world")
    const hello = yield* ServerTimes.hello(server, Duration.millis(options.helloMs))
    yield* step("Running into timeouts")
    const timeouts = yield* ServerTimes.timeouts(server, options.sleepers, options.timeout)
    return {
      costs: {
        rows: rows.map(({ name, how }) => ({ name, how })),
        measured: Interleave.compare(samples, bare),
        startUps,
        hello,
        timeouts,
        residentMB: yield* Machine.residentMB(server.pid)
      },
      against: Option.isSome(theirs) ? compareServers(samples) : []
    }
  },
  Effect.scoped,
  Effect.provide([EmbeddedHost.layer(), NodeHttpClient.layer])
)

/** Every time is in milliseconds, memory in MiB. */
export type Costs = Effect.Effect.Success<ReturnType<typeof measure>>["costs"]
