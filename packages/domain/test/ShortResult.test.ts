import { assert, describe, it } from "@effect/vitest"
import {
  ExecutionId,
  executionError,
  isToolFailure,
  rejectedResult,
  shortResult,
  visible
} from "../src/index.js"

const result = { ...rejectedResult(ExecutionId.make("exec_1"), executionError("INVALID_REQUEST", "no")) }

describe("shortResult", () => {
  it("leaves what is short as it is", () => {
    assert.deepStrictEqual(shortResult({ ...result, stdout: "x".repeat(10) }, 10), {
      ...result,
      stdout: "x".repeat(10)
    })
  })

  it("leaves out the middle of what is long, says so, and splits no character", () => {
    const { output, stderr, stdout } = shortResult(
      { ...result, stdout: "a".repeat(11), stderr: "😀".repeat(9) },
      10
    )
    assert.strictEqual(stdout, "aaaaa\n[1 characters left out]\naaaaa")
    assert.strictEqual(stderr, "😀😀\n[10 characters left out]\n😀😀")
    assert.isTrue(output.truncated)
  })
})

describe("isToolFailure", () => {
  it("is what no program could be blamed for", () => {
    assert.isTrue(isToolFailure(result))
    assert.isTrue(isToolFailure({ verdict: "InternalError" }))
    assert.isFalse(isToolFailure({ verdict: "NonZeroExit" }))
    assert.isFalse(isToolFailure({ verdict: "TimeLimitExceeded" }))
  })
})

describe("visible", () => {
  it("escapes what cannot be seen but lines and tabs, and leaves JSON the same", () => {
    assert.strictEqual(visible("a\u001b[2J\n\tb\u202e\u{e0001}"), "a\\u001b[2J\n\tb\\u202e\\udb40\\udc01")
    const value = { text: "\u007f\u009b\u2028\u{1f468}\u200d\u{1f469}" }
    const text = visible(JSON.stringify(value))
    assert.notMatch(text, /[\p{Cc}\p{Cf}\p{Zl}]/u)
    assert.deepStrictEqual(JSON.parse(text), value)
  })
})
