// A thread's program: looks at one file after the other, as it is asked to.
import { parentPort } from "node:worker_threads"
import { Duration, Effect } from "effect"
import * as FileInspection from "./FileInspection.js"
import type { Answer, Reply, Request } from "./InspectionThread.js"

let current: FileInspection.FileInspection | undefined

const replyTo = (request: Request): Effect.Effect<Reply> => {
  if (request._tag === "Begin") {
    current = FileInspection.make(request.rules)
    return Effect.succeed({ _tag: "GoOn" })
  }
  if (current === undefined) return Effect.dieMessage("no file was begun")
  if (request._tag === "End") return current.end
  return Effect.map(current.push(request.bytes), (flaw) =>
    flaw === undefined ? { _tag: "GoOn" } : { _tag: "Flawed", flaw }
  )
}

parentPort?.on("message", (request: Request) => {
  // What fails here fails the thread, and whoever asked sees that.
  void Effect.runPromise(
    Effect.map(Effect.timed(replyTo(request)), ([took, reply]) =>
      parentPort?.postMessage({ reply, busyMs: Duration.toMillis(took) } satisfies Answer)
    )
  )
})
parentPort?.postMessage("ready")
