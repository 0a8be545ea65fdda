import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Logger, LogLevel, Option } from "effect"
import * as Bench from "./Bench.js"
import * as AdmissionReplica from "./cluster/AdmissionReplica.js"
import * as Options from "./Options.js"
import * as Report from "./Report.js"

const save = (file: string, results: Bench.Results) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.writeFileString(file, `${JSON.stringify(results, undefined, 2)}\n`)
  )

const bench = Effect.fnUntraced(function* (options: Options.Options) {
  const results = yield* Bench.run(options)
  yield* Console.log(Report.render(results))
  if (Option.isSome(options.json)) yield* save(options.json.value, results)
})

/** The result has the output to itself. */
const tell = (group: Options.Alone, options: Options.Options) =>
  Effect.flatMap(Bench.tell(group, options), Console.log).pipe(Logger.withMinimumLogLevel(LogLevel.None))

/** So has each answer. */
const replica = Logger.withMinimumLogLevel(AdmissionReplica.run, LogLevel.None)

const main = Effect.gen(function* () {
  const options = yield* Options.parse(process.argv.slice(2))
  if (options.help) return yield* Console.log(Options.usage)
  if (Option.isSome(options.alone)) return yield* tell(options.alone.value, options)
  if (options.isReplica) return yield* replica
  yield* bench(options)
})

main.pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError(({ message }) => Console.error(`bench: ${message}`)),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
