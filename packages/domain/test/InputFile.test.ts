import { assert, describe, it } from "@effect/vitest"
import { Either, Schema } from "effect"
import { InputFile } from "../src/index.js"

const accepts = (content: string) =>
  Either.isRight(Schema.decodeUnknownEither(InputFile)({ path: "a", content, encoding: "base64" }))

describe("InputFile", () => {
  it("takes base64, also in lines of any length", () => {
    const whole = Buffer.from("every byte \0\xff of it", "latin1").toString("base64")
    const inLines = (width: number, end: string) =>
      whole.replaceAll(new RegExp(`.{${width}}`, "g"), (line) => line + end)
    for (const content of ["", whole, inLines(1, "\n"), inLines(4, "\r\n"), "QQ==\n", "QQ=\n="]) {
      assert.isTrue(accepts(content), content)
    }
  })

  it("takes nothing else for it", () => {
    for (const content of [
      "Q",
      "QQ",
      "QQ=",
      "=QQQ",
      "QQ==QQ==",
      "QQ===",
      "QQ_-",
      "QQ Q",
      "QÄ==",
      "====",
      "\0QQQ"
    ]) {
      assert.isFalse(accepts(content), content)
    }
  })
})
