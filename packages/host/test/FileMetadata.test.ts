import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { FileMetadata } from "../src/Guest/FileMetadata.js"

describe("The metadata of files", () => {
  it.effect("follows what is moved and removed, and nothing beside it", () =>
    Effect.gen(function* () {
      const kept = yield* FileMetadata.make
      for (const path of ["/a", "/a/b", "/ab", "/c"]) yield* kept.set(path, { path })
      yield* kept.move("/a", "/c")
      const afterMove = yield* kept.lookup
      assert.deepEqual(["/a", "/a/b", "/ab", "/c", "/c/b"].map(afterMove), [
        ...[{}, {}, { path: "/ab" }, { path: "/a" }, { path: "/a/b" }]
      ])
      yield* kept.remove("/c")
      const afterRemoval = yield* kept.lookup
      assert.deepEqual(["/c", "/c/b", "/ab"].map(afterRemoval), [{}, {}, { path: "/ab" }])
    })
  )

  it.effect("is bounded, and can be replaced when it is full", () =>
    Effect.gen(function* () {
      const kept = yield* FileMetadata.make
      const half = "x".repeat(500 * 1024)
      yield* kept.set("/one", { half })
      yield* kept.set("/two", { half })
      const refused = yield* Effect.flip(kept.set("/three", { half }))
      assert.strictEqual(refused.kind, "no_space")
      yield* kept.set("/two", {})
      yield* kept.set("/three", { half })
      assert.deepEqual(["/one", "/two", "/three"].map(yield* kept.lookup), [{ half }, {}, { half }])
    })
  )
})
