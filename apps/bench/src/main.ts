import { EmbeddedHost } from "@bulkhead/host"
import { FileSystem } from "@effect/platform"
import { NodeContext, NodeRuntime } from "@effect/platform-node"
import { Console, Effect, Option } from "effect"
import * as Bench from "./Bench.js"
import * as Options from "./Options.js"
import * as Report from "./Report.js"

const save = (file: string, results: Bench.Results) =>
  Effect.flatMap(FileSystem.FileSystem, (fs) =>
    fs.writeFileString(file, `${JSON.stringify(results, undefined, 2)}\n`)
  )

const main = Effect.gen(function* () {
  const options = yield* Options.parse(process.argv.slice(2))
  const results = yield* Effect.provide(Bench.run(options), EmbeddedHost.layer())
  yield* Console.log(Report.render(results))
  if (Option.isSome(options.json)) yield* save(options.json.value, results)
})

main.pipe(
  Effect.provide(NodeContext.layer),
  Effect.tapError(({ message }) => Console.error(`bench: ${message}`)),
  NodeRuntime.runMain({ disableErrorReporting: true, disablePrettyLogger: true })
)
