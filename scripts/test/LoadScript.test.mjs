// k6 is not here: its own parser would say the same of the script, and of what its thresholds ask of which metric.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Schema } from "effect"
import { assert, describe, it } from "vitest"
import { goals } from "../../apps/bench/src/load/Summary.ts"
import { ExecutionRequest, ExecutionResult } from "../../packages/domain/src/index.ts"

const script = fileURLToPath(new URL("../../load/sandbox-load-test.js", import.meta.url))

/** What k6 measures by itself, as far as a load test would have thresholds for it. */
const builtIn = {
  dropped_iterations: "Counter",
  http_req_duration: "Trend",
  http_req_failed: "Rate",
  http_reqs: "Counter",
  iterations: "Counter"
}

/** What a threshold may ask of each kind of metric, in k6's grammar. */
const aggregations = {
  Counter: "count|rate",
  Gauge: "value",
  Rate: "rate",
  Trend: String.raw`avg|min|max|med|p\(\d{1,2}(?:\.\d+)?\)`
}

/** In the place of k6's modules, which are there in k6 alone. */
const standIns = `
const made = {}
const added = {}
const kind = (name) =>
  class {
    constructor(metric) { made[metric] = name; this.metric = metric }
    add(value) { added[this.metric] = value }
  }
const [Counter, Gauge, Rate, Trend] = ["Counter", "Gauge", "Rate", "Trend"].map(kind)
const check = (response, conditions) => Object.values(conditions).every((holds) => holds(response))
const http = { post: (url, body) => globalThis.answerOfLoadTest(url, body) }
const __ENV = {}
const __VU = 7
export const metrics = made
export const values = added
`

/** What every result has. */
const plain = {
  executionId: "exec_1",
  success: true,
  verdict: "Completed",
  stdout: "",
  stderr: "",
  output: { stdoutBytes: 0, stderrBytes: 0, truncated: false },
  artifacts: [],
  rejectedArtifacts: []
}

/** Each time anew, as k6 loads it for each of its users. */
const loaded = async () => {
  const text = readFileSync(script, "utf8").replaceAll(/^import .* from "k6.*"$/gm, "")
  return await import(
    `data:text/javascript,${encodeURIComponent(`${standIns + text}\n// ${crypto.randomUUID()}`)}`
  )
}

describe("the load test for k6", () => {
  it("is well-formed", () => {
    execFileSync(process.execPath, ["--input-type=module", "--check"], { input: readFileSync(script) })
  })

  it("has thresholds that k6 can ask of its metrics, and scenarios whose functions are there", async () => {
    const { metrics, options, ...exported } = await loaded()
    const kinds = { ...builtIn, ...metrics }
    assert.includeMembers(Object.keys(options.thresholds), ["overhead", "timeout_lateness", "wrong_results"])
    for (const [metric, conditions] of Object.entries(options.thresholds)) {
      assert.property(kinds, metric)
      const form = new RegExp(`^(?:${aggregations[kinds[metric]]}) *(?:[<>]=?|[=!]=) *\\d+(?:\\.\\d+)?$`)
      for (const condition of conditions) assert.match(condition, form, metric)
    }
    for (const { exec } of Object.values(options.scenarios)) assert.isFunction(exported[exec])
  })

  it("has the goals of npm run load as its thresholds", async () => {
    const { thresholds } = (await loaded()).options
    assert.deepStrictEqual(thresholds, {
      http_req_failed: [`rate<${goals.failures}`],
      wrong_results: [`rate<${goals.failures}`],
      dropped_iterations: ["count==0"],
      overhead: [`med<${goals.overheadMs}`],
      timeout_lateness: [`max<${goals.latenessMs}`]
    })
  })

  it("asks as the contract takes it, and reads what the contract answers", async () => {
    const { execution, sleeper, values } = await loaded()
    const asked = []
    const answering = (changes, metrics) => {
      globalThis.answerOfLoadTest = (url, body) => {
        assert.match(url, /\/api\/execute$/)
        asked.push(
          Schema.decodeUnknownSync(ExecutionRequest, { onExcessProperty: "error" })(JSON.parse(body))
        )
        const result = Schema.encodeSync(ExecutionResult)({ ...plain, ...changes, metrics })
        return { status: 200, timings: { duration: 40 }, json: () => JSON.parse(JSON.stringify(result)) }
      }
    }
    answering({ verdict: "Completed", stdout: "42\n" }, { executionTimeMs: 31, retries: 0 })
    execution()
    assert.deepStrictEqual(values, { wrong_results: false, overhead: 9 })
    answering({ verdict: "TimeLimitExceeded", success: false }, { executionTimeMs: 2004, retries: 0 })
    sleeper()
    assert.deepStrictEqual(values, { wrong_results: false, overhead: 9, timeout_lateness: 4 })
    assert.deepStrictEqual(
      asked.map(({ language, timeout, userId }) => [language, timeout, userId]),
      [
        ["python", undefined, "load-7"],
        ["python", 2, "load-7"]
      ]
    )
    answering({ verdict: "NonZeroExit", success: false }, { retries: 0 })
    execution()
    sleeper()
    assert.deepStrictEqual(values, { wrong_results: true, overhead: 9, timeout_lateness: 4 }, "none is NaN")
  })
})
