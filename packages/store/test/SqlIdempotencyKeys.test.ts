import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { IdempotencyKeys, Retention, SqlIdempotencyKeys } from "../src/index.js"
import { onEach } from "./Databases.js"
import { id, user } from "./StoreSuite.js"

const request = (execution: string, fingerprint = "f1", name = "ann") => ({
  userId: user(name),
  key: "k1",
  fingerprint,
  executionId: id(execution)
})

onEach("SqlIdempotencyKeys", (kind) => {
  it.scopedLive("gives a key to exactly one of many, and tells the others whose it is", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(kind.make)
      const body = Effect.gen(function* () {
        const keys = yield* IdempotencyKeys
        const claims = yield* Effect.forEach(
          Array.from({ length: 20 }, (_, index) => `n${index}`),
          (name) => keys.claim(request(name)),
          { concurrency: "unbounded" }
        )
        const winners = claims.flatMap((claim, index) => (claim._tag === "Claimed" ? [id(`n${index}`)] : []))
        assert.strictEqual(winners.length, 1)
        for (const claim of claims)
          if (claim._tag === "Taken") assert.strictEqual(claim.executionId, winners[0])
        const other = yield* keys.claim(request("x", "f2"))
        assert.deepInclude(other, { _tag: "Taken", sameRequest: false })
        assert.deepStrictEqual(yield* keys.claim(request("x", "f1", "bob")), { _tag: "Claimed" })
        yield* keys.release(request("not-mine", "f1", "bob"))
        assert.deepInclude(yield* keys.claim(request("y", "f1", "bob")), { _tag: "Taken", sameRequest: true })
        yield* keys.release(request("x", "f1", "bob"))
        assert.deepStrictEqual(yield* keys.claim(request("y", "f1", "bob")), { _tag: "Claimed" })
        yield* Retention.run({ maxKeyAge: -1 })
        assert.deepStrictEqual(yield* keys.claim(request("z")), { _tag: "Claimed" })
      })
      yield* Effect.provide(body, Layer.provideMerge(SqlIdempotencyKeys.layer, database.open()))
    })
  )
})
