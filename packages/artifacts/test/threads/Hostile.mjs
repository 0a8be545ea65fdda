// A thread's program that does what a file says: hang, grow, fail, be slow, or tell its thread's number.
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
  const answer = (reply, busyMs = 0) => parentPort.postMessage({ reply, busyMs })
  if (request._tag === "End") return answer({ _tag: "Passed", sha256: `thread ${threadId}` })
  if (request._tag !== "Push") return answer({ _tag: "GoOn" })
  const text = Buffer.from(request.bytes).toString()
  does[text]?.()
  answer({ _tag: "GoOn" }, text === "slow" ? 400 : 0)
})
parentPort.postMessage("ready")
