import { chmodSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { UserId } from "@bulkhead/domain"
import { KeptSecrets } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Redacted } from "effect"
import * as KeptSecretsFile from "../src/KeptSecretsFile.js"
import * as NetworkAuthorities from "../src/NetworkAuthorities.js"
import { SecretsConfig } from "../src/settings/SecretsConfig.js"
import * as ServerProcess from "./ServerProcess.js"

const value = "hush-the-value"

const fileOf = (text: string, mode = 0o600) =>
  Effect.map(ServerProcess.temporaryDirectory, (directory) => {
    const path = join(directory, "file")
    writeFileSync(path, text)
    chmodSync(path, mode)
    return path
  })

const from = (name: string, path: string) =>
  Layer.provide(
    SecretsConfig.layerFromEnv,
    Layer.setConfigProvider(ConfigProvider.fromMap(new Map([[name, path]])))
  )

const find = (path: string, userId: string, name: string) =>
  Effect.map(KeptSecrets, ({ find }) => find(UserId.make(userId), name)).pipe(
    Effect.provide(Layer.provide(KeptSecretsFile.layer, from("SANDBOX_SECRETS_FILE", path)))
  )

const secret = { value, hosts: ["a.com"], header: "X-Key: {}" }

describe("the file of secrets", () => {
  it.scoped("gives each to its users alone", () =>
    Effect.gen(function* () {
      const path = yield* fileOf(
        JSON.stringify({ one: { ...secret, users: ["ann"] }, all: { ...secret, users: ["*"] } })
      )
      const found = yield* find(path, "ann", "one")
      assert.strictEqual(found && Redacted.value(found.value), value)
      assert.notProperty(found, "users")
      assert.isUndefined(yield* find(path, "bob", "one"))
      assert.isDefined(yield* find(path, "bob", "all"))
      for (const name of ["none", "toString", "__proto__"]) assert.isUndefined(yield* find(path, "ann", name))
    })
  )

  const wrong: ReadonlyArray<readonly [string, string, number, RegExp]> = [
    ["that others may read", "{}", 0o640, /chmod 600/],
    ["that is no JSON", `{"a": ${value}`, 0o600, /it is not JSON/],
    ["without users", JSON.stringify({ a: secret }), 0o600, /a.users: is missing/],
    [
      "with a wrong value",
      JSON.stringify({ a: { ...secret, users: ["*"], value: `${value}\n` } }),
      0o600,
      /a.value/
    ],
    ["with a wrong name", JSON.stringify({ [`${value} x`]: secret }), 0o600, /1 to 64 letters/]
  ]
  for (const [what, text, mode, reason] of wrong)
    it.scoped(`is refused ${what}, without being shown`, () =>
      Effect.gen(function* () {
        const path = yield* fileOf(text, mode)
        const said = String(yield* Effect.flip(find(path, "ann", "a")))
        assert.match(said.replaceAll("\n", " "), reason)
        if (!what.includes("name")) assert.notInclude(said, value)
      })
    )
})

describe("the file of authorities", () => {
  it.scoped("must have certificates", () =>
    Effect.gen(function* () {
      for (const text of ["", "-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n"]) {
        const path = yield* fileOf(text)
        const said = yield* Effect.flip(
          Effect.provide(NetworkAuthorities.read, from("SANDBOX_NETWORK_CA", path))
        )
        assert.match(String(said), /expected certificates in PEM/)
      }
    })
  )
})
