import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Option, Redacted } from "effect"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as ServerUrl from "../src/server/ServerUrl.js"
import * as Token from "../src/server/Token.js"

const within = (variables: Readonly<Record<string, string>>) =>
  Effect.withConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(variables))))

const token = (file: string | undefined, variables: Readonly<Record<string, string>> = {}) =>
  Token.find(Option.fromNullable(file)).pipe(
    Effect.map(Option.map(Redacted.value)),
    Effect.map(Option.getOrUndefined),
    Effect.merge,
    Effect.map((found) => (typeof found === "object" ? found.message : found)),
    within(variables),
    Effect.provide(NodeContext.layer)
  )

const url = (given: string | undefined, variables: Readonly<Record<string, string>> = {}) =>
  ServerUrl.find(Option.fromNullable(given)).pipe(
    Effect.map(Option.getOrUndefined),
    Effect.merge,
    Effect.map((found) => (typeof found === "object" ? found.message : found)),
    within(variables)
  )

describe("the token", () => {
  it.scopedLive("is the option's, the variable's, or its file's, in this order", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const [one, other] = [join(directory, "one"), join(directory, "other")]
      writeFileSync(one, "of-one\n")
      writeFileSync(other, "of-other\n")
      const all = { BULKHEAD_TOKEN: "of-variable", BULKHEAD_TOKEN_FILE: other }
      assert.strictEqual(yield* token(one, all), "of-one")
      assert.strictEqual(yield* token(undefined, all), "of-variable")
      assert.strictEqual(yield* token(undefined, { ...all, BULKHEAD_TOKEN: " " }), "of-other")
      assert.isUndefined(yield* token(undefined))
    })
  )

  it.scopedLive("is never repeated where it is wrong, and its file is bounded", () =>
    Effect.gen(function* () {
      const directory = yield* ServerProcess.temporaryDirectory
      const [long, words] = [join(directory, "long"), join(directory, "words")]
      writeFileSync(long, "x".repeat(5000))
      writeFileSync(words, "two words")
      const expected = "expected a token of printable ASCII characters without spaces"
      assert.strictEqual(
        yield* token(undefined, { BULKHEAD_TOKEN: "two words" }),
        `BULKHEAD_TOKEN: ${expected}`
      )
      assert.strictEqual(yield* token(words), `--token-file: ${expected}`)
      assert.include(yield* token(long), "expected a file of at most 4096 bytes")
      assert.include(yield* token("/dev/zero"), "expected a file of at most 4096 bytes")
      assert.include(yield* token(join(directory, "nowhere")), "--token-file: the file cannot be read")
    })
  )
})

describe("the server", () => {
  it.effect("is the option's or the variable's", () =>
    Effect.gen(function* () {
      const variables = { BULKHEAD_URL: "http://variable:1" }
      assert.strictEqual(yield* url("https://option/prefix/", variables), "https://option/prefix")
      assert.strictEqual(yield* url(undefined, variables), "http://variable:1")
      assert.isUndefined(yield* url(undefined))
    })
  )

  it.effect("is an address without a secret in it", () =>
    Effect.gen(function* () {
      assert.include(yield* url("ftp://a"), "--server: expected the http:// or https:// address")
      assert.include(yield* url(undefined, { BULKHEAD_URL: "here" }), "BULKHEAD_URL: expected the http://")
      assert.include(yield* url("http://a?token=b"), "without ? and #")
      const said = yield* url("http://ann:secret@a")
      assert.include(said, "without a user or a password")
      assert.notInclude(said, "secret")
    })
  )
})
