import { IdempotencyKeys } from "@bulkhead/sandbox"
import { assert, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { Retention, SqlIdempotencyKeys } from "../src/index.js"
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
        const [holder] = claims
        assert(holder)
        for (const claim of claims) assert.deepStrictEqual(claim, holder)
        assert.deepStrictEqual(yield* keys.claim(request("x", "f2")), holder)
        const bobs = request("x", "f1", "bob")
        assert.deepStrictEqual(yield* keys.claim(bobs), bobs)
        yield* keys.release(request("not-mine", "f1", "bob"))
        assert.deepStrictEqual(yield* keys.claim(request("y", "f1", "bob")), bobs)
        yield* keys.release(bobs)
        const next = request("y", "f1", "bob")
        assert.deepStrictEqual(yield* keys.claim(next), next)
        yield* Retention.run({ maxKeyAge: -1 })
        assert.deepStrictEqual(yield* keys.claim(request("z")), request("z"))
      })
      yield* Effect.provide(body, Layer.provideMerge(SqlIdempotencyKeys.layer, database.open()))
    })
  )
})
