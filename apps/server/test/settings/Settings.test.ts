import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Limits } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer } from "effect"
import { describeFailure } from "../../src/StartFailure.js"
import { ServerConfig } from "../../src/settings/ServerConfig.js"
import type { Description } from "../../src/settings/Setting.js"
import * as Settings from "../../src/settings/Settings.js"
import { StoreConfig } from "../../src/settings/StoreConfig.js"

type Environment = ReadonlyMap<string, string>

const everything = Effect.all([ServerConfig, StoreConfig, Limits])

const read = (provider: ConfigProvider.ConfigProvider) =>
  Effect.provide(everything, Settings.layerFromEnv.pipe(Layer.provide(Layer.setConfigProvider(provider))))

/** An environment that writes down which variables are read. */
const recording = (environment: Environment) => {
  const names = new Set<string>()
  const provider = ConfigProvider.fromMap(new Map(environment))
  const flat = provider.flattened
  const watched = ConfigProvider.fromFlat({
    ...flat,
    load: (path, config, split) => {
      names.add(path.join("."))
      return flat.load(path, config, split)
    }
  })
  return { names, provider: watched }
}

/** Every setting but the admin token, which is random each time. */
const valuesIn = (environment: Environment) =>
  Effect.map(read(ConfigProvider.fromMap(new Map(environment))), ([server, store, limits]) => {
    const { adminToken: _, ...others } = server
    return { ...others, store, limits }
  })

const names = Settings.all.map(({ name }) => name)

const page = readFileSync(fileURLToPath(new URL("../../../../docs/settings.md", import.meta.url)), "utf8")

const rowOf = ({ isSecret, meaning, name, otherwise }: Description) =>
  `| \`${name}\` | ${otherwise} | ${meaning}${isSecret ? "; secret" : ""} |`

const table = ["| variable | default | meaning |", "|---|---|---|", ...Settings.all.map(rowOf)].join("\n")

describe("Settings", () => {
  it.effect("describe every variable that is read, and no other", () =>
    Effect.gen(function* () {
      // Those of a bucket are read only where artifacts are in one.
      const inBucket = new Map([
        ["SANDBOX_ARTIFACT_STORE", "s3"],
        ["SANDBOX_S3_BUCKET", "artifacts"]
      ])
      const { names: loaded, provider } = recording(inBucket)
      yield* read(provider)
      assert.deepStrictEqual([...loaded].toSorted(), names.toSorted())
    })
  )

  it.effect("take every variable that is set to nothing for absent", () =>
    Effect.gen(function* () {
      const absent = yield* valuesIn(new Map())
      for (const nothing of ["", " "]) {
        const blank = new Map(names.map((name) => [name, nothing]))
        assert.deepStrictEqual(yield* valuesIn(blank), absent)
      }
    })
  )

  it.effect("suit the backend", () =>
    Effect.gen(function* () {
      const embedded = (yield* valuesIn(new Map())).limits
      const cloud = (yield* valuesIn(new Map([["E2B_API_KEY", "key"]]))).limits
      assert.deepInclude(embedded, { poolMax: 4, maxCreatesPerSecond: 0 })
      assert.deepInclude(cloud, { poolMax: 0, maxCreatesPerSecond: 5 })
    })
  )

  const wrong: ReadonlyArray<readonly [Readonly<Record<string, string>>, RegExp]> = [
    [{ SANDBOX_MAX_TIMEOUT: "-1" }, /^SANDBOX_MAX_TIMEOUT: expected a positive number of seconds/],
    [{ SANDBOX_MAX_MEMORY_MB: "lots" }, /^SANDBOX_MAX_MEMORY_MB: expected a whole number/],
    [{ SANDBOX_DEFAULT_TIMEOUT: "901" }, /^SANDBOX_DEFAULT_TIMEOUT: expected at most SANDBOX_MAX_TIMEOUT/],
    [{ SANDBOX_ARTIFACT_STORE: "database" }, /^SANDBOX_ARTIFACT_STORE: 'database' .* set DATABASE_URL/],
    [{ SANDBOX_ARTIFACT_STORE: "s3" }, /^SANDBOX_S3_BUCKET: expected the name of a bucket/],
    [
      { SANDBOX_ARTIFACT_STORE: "s3", SANDBOX_S3_BUCKET: "abc", AWS_ACCESS_KEY_ID: "a" },
      /^AWS_SECRET_ACCESS_KEY: expected it beside AWS_ACCESS_KEY_ID/
    ],
    [
      { SANDBOX_S3_BUCKET: "artifacts" },
      /^SANDBOX_S3_BUCKET: expected none, since SANDBOX_ARTIFACT_STORE is 'file'/
    ],
    [
      { SANDBOX_CODE_ANALYSIS_RULES: "/rules.json" },
      /^SANDBOX_CODE_ANALYSIS_RULES: expected none, since SANDBOX_CODE_ANALYSIS is 'off'/
    ],
    [
      { SANDBOX_CODE_ANALYSIS: "report", SANDBOX_CODE_ANALYSIS_UNSURE: "refuse" },
      /^SANDBOX_CODE_ANALYSIS_UNSURE: expected 'run', since SANDBOX_CODE_ANALYSIS is 'report'/
    ]
  ]
  for (const [environment, line] of wrong)
    it.effect(`say in one line what is wrong with ${JSON.stringify(environment)}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(valuesIn(new Map(Object.entries(environment))))
        assert.match(describeFailure(error), line)
        assert.notInclude(describeFailure(error), "\n")
      })
    )

  it("are those of the table in docs/settings.md", () => {
    const found = /^\| variable \|.*\n(?:\|.*\n)+/m.exec(page)?.[0].trimEnd()
    assert.strictEqual(found, table)
  })

  it("fit into its lines", () => {
    assert.deepStrictEqual(
      table.split("\n").filter((line) => line.length > 120),
      []
    )
  })
})
