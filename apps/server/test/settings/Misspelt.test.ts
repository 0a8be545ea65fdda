import { assert, describe, it } from "@effect/vitest"
import * as Misspelt from "../../src/settings/Misspelt.js"
import * as Settings from "../../src/settings/Settings.js"

const known = Settings.all.map(({ name }) => name)

const said = (...names: ReadonlyArray<string>) => Misspelt.warnings(names, known).join("\n")

describe("a variable that the server does not know", () => {
  const misspelt: ReadonlyArray<readonly [string, string]> = [
    ["SANDBOX_MAX_TIMOUT", "SANDBOX_MAX_TIMEOUT"],
    ["SANDBOX_MAX_MEMORY_MBS", "SANDBOX_MAX_MEMORY_MB"],
    ["SANDBOX_APIKEYS", "SANDBOX_API_KEYS"],
    ["E2B_APIKEY", "E2B_API_KEY"],
    ["DATABASE_URI", "DATABASE_URL"],
    ["ADMIN_API_TOKENS", "ADMIN_API_TOKEN"],
    ["CLAMAV_ADRESS", "CLAMAV_ADDRESS"]
  ]
  for (const [name, meant] of misspelt) {
    it(`is named with the nearest known one: ${name}`, () => {
      assert.match(said(name), new RegExp(`^${name}: .* did you mean ${meant}\\?$`))
    })
  }

  it("is named without a guess when nothing is near", () => {
    assert.match(said("SANDBOX_COLOUR_OF_THE_SKY"), /^SANDBOX_COLOUR_OF_THE_SKY: .* docs\/settings\.md/)
  })

  it("is another program's when it neither has our prefix nor is near", () => {
    assert.strictEqual(said("E2B_DEBUG", "DATABASE_POOL_SIZE", "POST", "PATH", "XDG_RUNTIME_DIR"), "")
  })

  it("is none of those that are known", () => {
    assert.strictEqual(said(...known), "")
  })
})
