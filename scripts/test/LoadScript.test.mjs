// k6 is not here: its own parser would say the same of the script, and of what its thresholds ask of which metric.
import { execFileSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "vitest"

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
const kind = (name) => class { constructor(metric) { made[metric] = name } add() {} }
const [Counter, Gauge, Rate, Trend] = ["Counter", "Gauge", "Rate", "Trend"].map(kind)
const check = () => true
const http = {}
const __ENV = {}
export const metrics = made
`

const loaded = async () => {
  const text = readFileSync(script, "utf8").replaceAll(/^import .* from "k6.*"$/gm, "")
  return await import(`data:text/javascript,${encodeURIComponent(standIns + text)}`)
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
})
