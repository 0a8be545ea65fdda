import { NodeRuntime } from "@effect/platform-node"
import { Console, Effect } from "effect"
import * as Churn from "./Churn.js"
import { startHost } from "./RunningHost.js"

// The directory of the bundled host, and how many cycles.
const [directory = "", cycles] = process.argv.slice(2)

/** V8 has compiled by then, and its heap has found its size. */
const warmUp = 1000

const describe = ({ cgroups, descriptors, mounts, processes, resident }: Churn.Held) =>
  `${processes} processes, ${cgroups} cgroups, ${mounts.join(" + ")} mounts, ` +
  `${descriptors.join(" + ")} descriptors, ${resident.map((mib) => mib.toFixed(1)).join(" + ")} MiB`

const command = Effect.gen(function* () {
  const host = yield* startHost(directory)
  yield* Churn.cycles(host, warmUp)
  const { resident, ...before } = yield* Churn.held(host)
  yield* Console.log(`before: ${describe({ ...before, resident })}`)
  yield* Churn.cycles(host, Number(cycles))
  const { resident: residentAfter, ...after } = yield* Churn.held(host)
  yield* Console.log(`after ${cycles} more: ${describe({ ...after, resident: residentAfter })}`)
  if (JSON.stringify(after) !== JSON.stringify(before)) process.exitCode = 1
}).pipe(Effect.scoped)

NodeRuntime.runMain(command)
