import { ExecutionId, type ExecutionResult, type Receipt, Verdict } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import * as Explanation from "../src/pages/execution/Explanation.js"

const result: ExecutionResult = {
  executionId: ExecutionId.make("exec_1"),
  success: true,
  verdict: "Completed",
  stdout: "",
  stderr: "",
  exitCode: 0,
  metrics: { executionTimeMs: 1500, queueTimeMs: 0, cpuTimeMs: 20, retries: 1 },
  output: { stdoutBytes: 2048, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: []
}

const receipt: Receipt = {
  signals: [
    { signal: "SIGTERM", atMs: 300_010 },
    { signal: "SIGKILL", atMs: 310_015 }
  ],
  leftRunning: 1,
  deadAtMs: 310_020,
  survivors: 0,
  oomKills: 2,
  sandboxDestroyed: false,
  enforcement: {}
}

describe("a result in words", () => {
  it("has a meaning for each verdict, and no two have the same", () => {
    const all = Verdict.literals.map((verdict) => Explanation.ofVerdict({ ...result, verdict }))
    assert.strictEqual(new Set(all).size, Verdict.literals.length)
  })

  it("names the exit code or the signal, where there was one", () => {
    const { exitCode, ...others } = result
    assert.strictEqual(Explanation.ofVerdict(result), "The program ended well. Its exit code was 0.")
    assert.include(
      Explanation.ofVerdict({ ...others, verdict: "Signalled", signal: "SIGSEGV" }),
      "The signal was SIGSEGV."
    )
  })

  it("says what was measured, and nothing of what was not", () => {
    assert.deepStrictEqual(Explanation.ofMetrics(result), [
      ["Waited", "0 ms"],
      ["Ran for", "1.5 s"],
      ["CPU time", "20 ms"],
      ["Output", "2 KB and 0 B of errors"],
      ["Retries", "1"]
    ])
  })
})

describe("a receipt in words", () => {
  it("says what was sent, what was left, what is proven, and what became of the sandbox", () => {
    assert.deepStrictEqual(Explanation.ofReceipt(receipt), [
      "SIGTERM 5 min 0 s after its start, then SIGKILL 5 min 10 s after its start: to all of its processes.",
      "It left 1 process behind at its end: killed.",
      "It is proven that no process of it lived on. Its last process was seen dead 5 min 10 s after its start.",
      "Its memory limit killed 2 processes of it.",
      "It is not known whether its sandbox is destroyed: the reaper looks for it and ends it."
    ])
  })

  it("claims nothing that nobody could tell", () => {
    assert.deepStrictEqual(
      Explanation.ofReceipt({ signals: [], survivors: "unknown", sandboxDestroyed: true, enforcement: {} }),
      [
        "No signal had to be sent.",
        "Nobody counted what it left behind at its end.",
        "Nobody could tell for certain whether a process of it lived on.",
        "Its sandbox is destroyed."
      ]
    )
    const [, , survivors] = Explanation.ofReceipt({ ...receipt, survivors: 3 })
    assert.include(survivors, "3 processes of it outlived all of that.")
  })
})
