import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries, ExecutionStoreConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as MemoryExecutionStore from "../src/Record/MemoryExecutionStore.js"

const { began, ended, happened, id, put, result } = Entries

ExecutionStoreConformance.suite("MemoryExecutionStore", MemoryExecutionStore.layer())

describe("MemoryExecutionStore, when it is full", () => {
  it.effect("forgets what ended first, and never what is live", () =>
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      yield* put(began("live"), happened("live"))
      for (const name of ["a", "b", "c"]) yield* put(began(name), happened(name), ended(name))
      assert.isTrue(Option.isNone(yield* store.find(id("a"))))
      assert.deepStrictEqual(yield* store.events(id("a"), {}), { items: [] })
      for (const name of ["live", "b", "c"]) assert.isTrue(Option.isSome(yield* store.find(id(name))))
      assert.strictEqual((yield* store.verify).checked, 3)
    }).pipe(Effect.provide(MemoryExecutionStore.layer({ executions: 2 })))
  )

  it.effect("forgets the oldest results when there is no room, but not their executions", () =>
    Effect.gen(function* () {
      const store = yield* ExecutionStore
      for (const name of ["a", "b", "c"])
        yield* put(began(name), ended(name, { result: result(name, { stdout: "x".repeat(1000) }) }))
      const results = yield* Effect.forEach(["a", "b", "c"], (name) =>
        Effect.map(store.find(id(name)), (found) => Option.getOrThrow(found).result?.stdout.length)
      )
      assert.deepStrictEqual(results, [undefined, 1000, 1000])
    }).pipe(Effect.provide(MemoryExecutionStore.layer({ resultRoom: 5000 })))
  )
})
