// A thread's program that does what a file says: hang, grow, fail, or tell its thread's number.
import { parentPort, threadId } from "node:worker_threads"

const does = {
  hang: () => {
    for (;;) {}
  },
  grow: () => {
    const kept = []
    for (;;) kept.push(new Array(1000).fill(kept.length))
  },
  fail: () => {
    throw new Error("a fault in a check")
  }
}

parentPort.on("message", (request) => {
  if (request._tag === "End") return parentPort.postMessage({ _tag: "Passed", sha256: `thread ${threadId}` })
  if (request._tag === "Push") does[Buffer.from(request.bytes).toString()]?.()
  parentPort.postMessage({ _tag: "GoOn" })
})
