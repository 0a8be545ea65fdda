import { NodeRuntime } from "@effect/platform-node"
import { Console, Duration, Effect } from "effect"
import * as Trial from "./secrets/Trial.js"

const [count = 200] = process.argv.slice(2).map(Number)

Trial.findings(count).pipe(
  Effect.timed,
  Effect.flatMap(([took, findings]) =>
    Effect.zipRight(
      Effect.forEach(findings, (finding) => Console.log(finding), { discard: true }),
      findings.length === 0
        ? Console.log(
            `${count} executions with secrets, none found, in ${Math.round(Duration.toSeconds(took))} s`
          )
        : Effect.fail(new Error(`${findings.length} findings`))
    )
  ),
  NodeRuntime.runMain
)
