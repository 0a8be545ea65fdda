import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { type ErrorCode, errorCodes, errorTable, type Refusal, refusals } from "../src/index.js"

const codes = Object.keys(errorCodes) as ReadonlyArray<ErrorCode>

/** Refusals that say when to try again. */
const passing: ReadonlyArray<Refusal["_tag"]> = [
  "SystemAtCapacity",
  "QuotaExceeded",
  "QueueTimeout",
  "RecordUnavailable",
  "ShuttingDown"
]

describe("the table of error codes", () => {
  it("is the one in docs/errors.md", () => {
    assert.include(
      readFileSync(new URL("../../../docs/errors.md", import.meta.url), "utf8"),
      `\n${errorTable}\n`
    )
  })

  it("calls those retryable that say when to try again, and those of the infrastructure", () => {
    for (const code of codes) {
      const { category, retryable, tryAgain } = errorCodes[code]
      assert.strictEqual(retryable, category === "infrastructure" || tryAgain.includes("Retry-After"), code)
    }
  })

  for (const [tag, { code, status }] of Object.entries(refusals)) {
    it(`has the status of ${tag}, which is retryable if it says when`, () => {
      assert.isTrue(errorCodes[code].statuses.some((answered) => answered === status))
      assert.strictEqual(errorCodes[code].retryable, passing.includes(tag as Refusal["_tag"]))
    })
  }
})
