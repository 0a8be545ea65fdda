import { assert, describe, it } from "@effect/vitest"
import { reasonOf } from "../src/Reason.js"

describe("the reason of a failure", () => {
  const unknown = Object.assign(new Error("getaddrinfo ENOTFOUND db"), { code: "ENOTFOUND", hostname: "db" })
  const refused = Object.assign(new Error(), { code: "ECONNREFUSED", address: "::1", port: 5432 })

  it("is what lies beneath, in words", () => {
    assert.strictEqual(reasonOf(new Error("outer", { cause: unknown })), "unknown host (db)")
    assert.strictEqual(
      reasonOf(new Error("outer", { cause: new AggregateError([refused, refused]) })),
      "connection refused (::1, port 5432)"
    )
    assert.strictEqual(reasonOf(new Error("outer", { cause: new Error("inner") })), "inner")
    assert.strictEqual(reasonOf("text"), "text")
  })
})
