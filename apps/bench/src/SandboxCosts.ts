import { EmbeddedHost } from "@bulkhead/host"
import { Console, Duration, Effect } from "effect"
import * as Comparison from "./Comparison.js"
import * as HelloWorld from "./HelloWorld.js"
import * as Interleave from "./Interleave.js"
import type { Options } from "./Options.js"
import * as ProcessFacts from "./ProcessFacts.js"
import * as Rows from "./Rows.js"
import * as ServerUnderTest from "./ServerUnderTest.js"
import * as StartUp from "./StartUp.js"
import * as TimeoutAccuracy from "./TimeoutAccuracy.js"

const concurrencies = [1, 2, 4, 8]
const warmUpConcurrency = 4

const step = (title: string) => Console.error(`${title} …`)

/** Measures what real sandboxes cost beside bare processes, one thing after the other. */
export const measure = Effect.fnUntraced(
  function* (options: Options) {
    yield* step("Starting the server")
    const startUps = yield* Effect.replicateEffect(StartUp.measure, options.starts)
    const server = yield* ServerUnderTest.start
    const rows = yield* Rows.make(server)
    yield* step("Warming up")
    yield* Interleave.warmUp(rows, warmUpConcurrency, Duration.millis(options.warmUpMs))
    yield* step(`Running ${rows.length} rows in turns`)
    const duration = Duration.millis(options.blockMs)
    const samples = yield* Interleave.run(rows, concurrencies, options.rounds, duration)
    yield* step("Greeting the world")
    const hello = yield* HelloWorld.measure(server, options.hellos)
    yield* step("Running into timeouts")
    const timeouts = yield* TimeoutAccuracy.measure(server, options.sleepers, options.timeout)
    return {
      rows: rows.map(({ name, how }) => ({ name, how })),
      measured: Comparison.compare(samples, Rows.bare),
      startUps,
      hello,
      timeouts,
      residentMB: yield* ProcessFacts.residentMB(server.pid)
    }
  },
  Effect.scoped,
  Effect.provide(EmbeddedHost.layer())
)

/** Every time is in milliseconds, memory in MiB. */
export type SandboxCosts = Effect.Effect.Success<ReturnType<typeof measure>>
