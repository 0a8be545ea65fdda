// A thread's program that does what it is told: hang, grow, fail, leave, or tell its thread's number and its data.
import { parentPort, threadId, workerData } from "node:worker_threads"

const does = {
  hang: () => {
    for (;;) {}
  },
  grow: () => {
    const kept = []
    for (;;) kept.push(new Array(1000).fill(kept.length))
  },
  fail: () => {
    throw new Error("a fault of the program")
  },
  leave: () => process.exit(3)
}

parentPort.on("message", (question) => {
  does[question]?.()
  parentPort.postMessage({ question, thread: threadId, data: workerData })
})
parentPort.postMessage("ready")
