import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import * as Lines from "../src/stdio/Lines.js"

const linesOf = (pieces: ReadonlyArray<string>, most: number) =>
  Stream.runCollect(Lines.of(Stream.fromIterable(pieces).pipe(Stream.encodeText), most))

describe("Lines", () => {
  it.effect("are whole, whatever pieces they come in", () =>
    Effect.gen(function* () {
      const lines = yield* linesOf(["a", "b\ncä", "\n\n", "d\ne"], 10)
      assert.deepStrictEqual(Chunk.toReadonlyArray(lines), ["ab", "cä", "d"])
    })
  )

  it.effect("are bounded, also one that never ends", () =>
    Effect.gen(function* () {
      const endless = Array.from({ length: 100 }, () => "xxxx")
      assert.strictEqual(
        (yield* Effect.flip(linesOf(endless, 10))).message,
        "expected lines of at most 10 characters"
      )
      assert.strictEqual((yield* Effect.flip(linesOf(["x".repeat(11), "\n"], 10)))._tag, "LineTooLong")
    })
  )
})
