import { assert, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { HeadTail } from "../src/Supervision/HeadTail.js"

const half = 16
const ascii = (bytes: Uint8Array) => bytes.map((byte) => 97 + (byte % 26))

it.prop(
  "keeps exactly the head and the tail, however the stream is cut",
  [FastCheck.array(FastCheck.uint8Array({ maxLength: 40 }), { maxLength: 12 })],
  ([chunks]) => {
    const kept = new HeadTail(half)
    const all = Buffer.concat(chunks.map(ascii))
    for (const chunk of chunks) kept.append(ascii(chunk))
    const left = all.length - 2 * half
    const expected =
      left <= 0
        ? all.toString()
        : `${all.subarray(0, half)}\n[${left} bytes left out]\n${all.subarray(-half)}`
    assert.strictEqual(kept.total, all.length)
    assert.strictEqual(kept.text, expected)
  }
)

it.prop(
  "never cuts a character in two",
  [FastCheck.fullUnicodeString({ minLength: 40, maxLength: 80 })],
  ([text]) => {
    const kept = new HeadTail(half)
    kept.append(new TextEncoder().encode(text))
    assert.notInclude(kept.text.replaceAll(text.includes("\uFFFD") ? "\uFFFD" : "", ""), "\uFFFD")
  }
)
