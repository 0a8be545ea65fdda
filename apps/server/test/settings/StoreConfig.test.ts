import { userInfo } from "node:os"
import { AllowedArtifacts } from "@bulkhead/artifacts"
import { UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect, Layer, Option, Redacted } from "effect"
import { describeFailure } from "../../src/StartFailure.js"
import { StoreConfig } from "../../src/settings/StoreConfig.js"

const read = (environment: Readonly<Record<string, string>>) =>
  Effect.provide(
    StoreConfig,
    StoreConfig.layerFromEnv.pipe(
      Layer.provide(Layer.setConfigProvider(ConfigProvider.fromMap(new Map(Object.entries(environment)))))
    )
  )

describe("StoreConfig", () => {
  it.effect("keeps its data in the home directory, whatever is set to nothing", () =>
    Effect.gen(function* () {
      const ofUser = userInfo().homedir
      const directories: ReadonlyArray<readonly [Readonly<Record<string, string>>, string]> = [
        [{ SANDBOX_DATA_DIR: "/data", XDG_STATE_HOME: "/state", HOME: "/home/ann" }, "/data"],
        [{ SANDBOX_DATA_DIR: "", XDG_STATE_HOME: "/state", HOME: "/home/ann" }, "/state/bulkhead"],
        [{ XDG_STATE_HOME: "", HOME: "/home/ann" }, "/home/ann/.local/state/bulkhead"],
        [{ XDG_STATE_HOME: " ", HOME: "" }, `${ofUser}/.local/state/bulkhead`],
        [{}, `${ofUser}/.local/state/bulkhead`]
      ]
      for (const [environment, directory] of directories) {
        assert.strictEqual((yield* read(environment)).directory, directory)
      }
    })
  )

  it.effect("has the defaults that docs/settings.md tells", () =>
    Effect.gen(function* () {
      const settings = yield* read({ XDG_STATE_HOME: "/state" })
      assert.deepInclude(settings, {
        directory: "/state/bulkhead",
        durability: "normal",
        retentionDays: 30,
        retentionMB: 10_240,
        prices: { vcpuSecond: 0.000014, gibSecond: 0.0000045, gpuSecond: 0 }
      })
      assert.isTrue(Option.isNone(settings.databaseUrl))
      assert.isTrue(Option.isNone(settings.clamavAddress))
    })
  )

  it.effect("takes what is set, and keeps the database's address to itself", () =>
    Effect.gen(function* () {
      const settings = yield* read({
        SANDBOX_DATA_DIR: "/data",
        DATABASE_URL: "postgres://user:secret@db/bulkhead",
        SANDBOX_DURABILITY: "full",
        SANDBOX_EVENT_LOG: "off",
        SANDBOX_RETENTION_DAYS: "0",
        CLAMAV_ADDRESS: "tcp:localhost:3310"
      })
      assert.deepInclude(settings, { directory: "/data", durability: "full", retentionDays: 0 })
      assert.deepStrictEqual(Option.getOrUndefined(settings.clamavAddress), {
        host: "localhost",
        port: 3310
      })
      assert.isFalse(settings.logsEvents)
      assert.strictEqual(
        Redacted.value(Option.getOrThrow(settings.databaseUrl)),
        "postgres://user:secret@db/bulkhead"
      )
      assert.notInclude(JSON.stringify(settings), "secret")
    })
  )

  const bad = {
    XDG_STATE_HOME: "state",
    HOME: "home",
    CLAMAV_ADDRESS: "clamd",
    SANDBOX_DURABILITY: "strong",
    SANDBOX_EVENT_LOG: "stderr",
    SANDBOX_RETENTION_DAYS: "-1",
    SANDBOX_RETENTION_MB: "1.5",
    SANDBOX_PRICE_VCPU_SECOND: "free",
    SANDBOX_PRICE_GIB_SECOND: "-1",
    SANDBOX_ARTIFACT_KINDS: "pictures",
    SANDBOX_ACTIVE_ARTIFACTS: "maybe"
  }
  for (const [name, value] of Object.entries(bad)) {
    it.effect(`refuses ${name}=${value} in one line that says what it takes`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(read({ [name]: value }))
        assert.match(describeFailure(error), new RegExp(`^${name}: expected .+, got '${value}'$`))
      })
    )
  }

  it.effect("takes what programs may leave, of everybody and of single users", () =>
    Effect.gen(function* () {
      const { allowedArtifacts } = yield* read({
        SANDBOX_ARTIFACT_KINDS: "images .csv",
        SANDBOX_USER_ARTIFACT_KINDS: "ann -images; bob +.txt",
        SANDBOX_ACTIVE_ARTIFACTS: "refuse"
      })
      const extensionsOf = (user: string) =>
        AllowedArtifacts.AllowedArtifacts.pipe(
          Effect.flatMap(({ of }) => of(UserId.make(user))),
          Effect.map((whitelist) => Object.keys(whitelist)),
          Effect.provide(AllowedArtifacts.layer(allowedArtifacts))
        )
      assert.deepStrictEqual(yield* extensionsOf("ann"), ["csv"])
      assert.includeMembers([...(yield* extensionsOf("bob"))], ["png", "csv", "txt"])
      assert.notInclude(yield* extensionsOf("eve"), "txt")
      const line = describeFailure(yield* Effect.flip(read({ SANDBOX_USER_ARTIFACT_KINDS: "ann pictures" })))
      assert.match(line, /^SANDBOX_USER_ARTIFACT_KINDS: expected 'user list' pairs .+, got 'pictures'$/)
    })
  )

  it.effect("takes a database on a Unix socket", () =>
    Effect.gen(function* () {
      const DATABASE_URL = "postgresql://bulkhead@%2Frun%2Fpostgresql/postgres"
      const { databaseUrl } = yield* read({ DATABASE_URL })
      assert.strictEqual(Redacted.value(Option.getOrThrow(databaseUrl)), DATABASE_URL)
    })
  )

  it.effect("refuses a DATABASE_URL that is none, without showing it", () =>
    Effect.gen(function* () {
      for (const url of [
        "mysql://ann:hush@db/x",
        "hush",
        "postgresql://ann:hu sh@db/x",
        "postgresql://ann:hush@db:p/x"
      ]) {
        const line = describeFailure(yield* Effect.flip(read({ DATABASE_URL: url })))
        assert.match(line, /^DATABASE_URL: expected postgresql:\/\/user:password@host:5432\/database/)
        assert.notMatch(line, /hush|hu sh/)
      }
    })
  )
})
