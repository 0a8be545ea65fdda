// k6 run -e BULKHEAD_URL=http://127.0.0.1:8787 -e BULKHEAD_TOKEN=KEY load/sandbox-load-test.js
// The same load without k6: npm run load. The thresholds are the numbers of docs/benchmarks.md.
import { check } from "k6"
import http from "k6/http"
import { Rate, Trend } from "k6/metrics"

const url = __ENV.BULKHEAD_URL || "http://127.0.0.1:8787"
const rate = Number(__ENV.RATE || 50)
const seconds = Number(__ENV.SECONDS || 30)
const users = Number(__ENV.USERS || (__ENV.BULKHEAD_TOKEN ? 0 : 20))
const timeout = 2

const overhead = new Trend("overhead", true)
const lateness = new Trend("timeout_lateness", true)
const wrong = new Rate("wrong_results")

export const options = {
  scenarios: {
    executions: {
      executor: "constant-arrival-rate",
      exec: "execution",
      rate,
      timeUnit: "1s",
      duration: `${seconds}s`,
      preAllocatedVUs: rate * 2,
      maxVUs: rate * 20
    },
    timeouts: { executor: "constant-vus", exec: "sleeper", vus: 2, duration: `${seconds}s` }
  },
  thresholds: {
    http_req_failed: ["rate<0.01"],
    wrong_results: ["rate<0.01"],
    dropped_iterations: ["count==0"],
    overhead: ["med<50"],
    timeout_lateness: ["max<1000"]
  }
}

const headers = Object.assign(
  { "Content-Type": "application/json" },
  __ENV.BULKHEAD_TOKEN ? { Authorization: `Bearer ${__ENV.BULKHEAD_TOKEN}` } : {}
)

const execute = (body) => http.post(`${url}/api/execute`, JSON.stringify(body), { headers, timeout: "60s" })

const resultOf = (response) => (response.status === 200 ? response.json() : {})

// A program that never started took no time.
const hasRun = (metrics) => metrics !== undefined && metrics.executionTimeMs !== undefined

// With callers' keys the key says who the user is, and userId must be its own: USERS is 0 there unless told.
const userOf = () => (users > 0 ? { userId: `load-${__VU % users}` } : {})

export function execution() {
  const response = execute(Object.assign({ code: "print(6 * 7)", language: "python" }, userOf()))
  const { metrics, stdout, verdict } = resultOf(response)
  wrong.add(!check(response, { completed: () => verdict === "Completed" && stdout === "42\n" }))
  if (hasRun(metrics)) overhead.add(response.timings.duration - metrics.executionTimeMs)
}

export function sleeper() {
  const response = execute(
    Object.assign({ code: "import time; time.sleep(60)", language: "python", timeout }, userOf())
  )
  const { metrics, verdict } = resultOf(response)
  wrong.add(!check(response, { "timed out": () => verdict === "TimeLimitExceeded" }))
  if (hasRun(metrics)) lateness.add(Math.abs(metrics.executionTimeMs - timeout * 1000))
}
