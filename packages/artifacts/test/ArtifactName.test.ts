import { ExecutionRequest, flawOfPath } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { FastCheck, Schema } from "effect"
import { judgeName } from "../src/ArtifactPolicy.js"

const good = [
  "a.txt",
  "d/e/f.csv",
  "with space.txt",
  "é.txt",
  "日本語.md",
  "🙂.txt",
  "$(id).txt",
  "-rf.txt",
  `${"a".repeat(251)}.txt`
]
const bad: ReadonlyArray<readonly [string, string]> = [
  ["", "it is empty"],
  ["/etc/passwd", "it is not a relative path of names"],
  ["a/", "it is not a relative path of names"],
  ["a//b", "it is not a relative path of names"],
  ["../a", "it has '.' or '..' in it"],
  ["a/./b", "it has '.' or '..' in it"],
  ["a\nb", "it has control characters"],
  ["a\0b", "it has control characters"],
  ["a\x7f", "it has control characters"],
  ["a\u0085", "it has control characters"],
  ["a\u2028b", "it has control characters"],
  ["a\ud800", "it has control characters"],
  ["a\u202eb", "it has characters that change the direction of text"],
  ["a\u2066b", "it has characters that change the direction of text"],
  ["a\u200fb", "it has characters that change the direction of text"],
  ["e\u0301", "it is not in Unicode's normal form C"],
  ["a".repeat(256), "it has a name longer than 255 bytes"],
  ["é".repeat(128), "it has a name longer than 255 bytes"],
  [`${"a/".repeat(512)}a`, "it is longer than 1024 bytes"],
  ["é/".repeat(400), "it is longer than 1024 bytes"]
]

describe("the path of a file that goes in or comes out", () => {
  for (const path of good) it(`may be ${path.slice(0, 20)}`, () => assert.isUndefined(flawOfPath(path)))
  for (const [path, flaw] of bad)
    it(`may not be ${JSON.stringify(path.slice(0, 20))}`, () => assert.strictEqual(flawOfPath(path), flaw))

  it.prop("that is fit stays below where it is put", [FastCheck.fullUnicodeString()], ([path]) => {
    if (flawOfPath(path) !== undefined) return
    const { pathname } = new URL(path.split("/").map(encodeURIComponent).join("/"), "file:///base/")
    assert.isTrue(pathname.startsWith("/base/") && pathname.length > "/base/".length)
  })
})

describe("a request's file", () => {
  const decode = Schema.decodeUnknownEither(ExecutionRequest)
  const request = (path: string) => decode({ code: "1", files: [{ path, content: "" }] })

  it("may have what artifacts may have for names, hidden ones too", () => {
    for (const path of [...good, ".hidden", "d/.e/f"]) assert.strictEqual(request(path)._tag, "Right", path)
  })

  it("is refused by name, with the reason", () => {
    for (const [path, flaw] of bad) assert.include(String(request(path)), flaw)
  })
})

describe("an artifact's name", () => {
  it("may be what a request's file may be", () => {
    for (const path of good) assert.isObject(judgeName(path), path)
  })

  it("must not be hidden, nor take Windows up its tree", () => {
    assert.strictEqual(judgeName(".a.txt"), "its name is not allowed: it is hidden")
    assert.strictEqual(judgeName("d/.e/a.txt"), "its name is not allowed: it is hidden")
    assert.strictEqual(judgeName("..\\a.txt"), "its name is not allowed: it has a backslash")
  })
})
