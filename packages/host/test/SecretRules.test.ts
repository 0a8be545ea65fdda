import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SecretRules from "../src/ControlPlane/SecretRules.js"

const value = "sk-0123456789"
const rules = (transform: object) => ({ "api.example.com": [{ transform }] })
const secret = (more: object) =>
  rules({ secrets: [{ name: "KEY", placeholder: "bulkhead_secret_1", value, ...more }] })

describe("rules of secrets", () => {
  it.effect("are taken with headers as HTTP has them", () =>
    Effect.gen(function* () {
      const header = { name: "Authorization", form: "Bearer {}" }
      const found = yield* SecretRules.read(secret({ header }))
      assert.deepStrictEqual(found.get("api.example.com:443")?.[0]?.header, header)
      assert.strictEqual((yield* SecretRules.read(rules({ headers: { "X-Key": value } }))).size, 1)
    })
  )

  it.effect("are refused where they would write more than a header, without a word of what was sent", () =>
    Effect.gen(function* () {
      for (const wrong of [
        secret({ value: `${value}\r\nX-More: 1` }),
        secret({ value: "" }),
        secret({ value: `${value}\u00e9` }),
        secret({ header: { name: "X-Key\r\nX-More", form: "{}" } }),
        secret({ header: { name: "X-Key", form: "{}\r\nX-More: 1" } }),
        secret({ header: { name: "X-Key", form: "no place" } }),
        secret({ header: { name: "Content-Length", form: "{}" } }),
        rules({ headers: { "X-Key": `${value}\n` } }),
        rules({ headers: { "X Key": value } }),
        rules({ headers: { Host: value } })
      ]) {
        const { message, status } = yield* Effect.flip(SecretRules.read(wrong))
        assert.strictEqual(status, 400)
        assert.include(message, "network.rules: expected")
        assert.notInclude(message, value)
      }
    })
  )
})
