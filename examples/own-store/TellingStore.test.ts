import { MemoryExecutionStore, SandboxService } from "@bulkhead/sandbox"
import { TestSandboxService } from "@bulkhead/testing"
import { ExecutionStoreConformance } from "@bulkhead/testing/conformance"
import { assert, it } from "@effect/vitest"
import { Effect, Layer, Queue } from "effect"
import * as TellingStore from "./TellingStore.js"

const Silent = TellingStore.layer(() => Effect.void).pipe(Layer.provide(MemoryExecutionStore.layer()))

// What the service expects of every store, as tests.
ExecutionStoreConformance.suite("a store that tells", Silent)

it.effect("tells what happens to an execution", () =>
  Effect.gen(function* () {
    const told = yield* Queue.unbounded<string>()
    const Telling = TellingStore.layer(({ event }) => Queue.offer(told, event)).pipe(
      Layer.provide(MemoryExecutionStore.layer())
    )
    yield* Effect.flatMap(SandboxService, ({ execute }) => execute({ code: "print(1)" })).pipe(
      Effect.provide(TestSandboxService.layerOver().pipe(Layer.provide(Telling)))
    )
    assert.deepStrictEqual(
      [...(yield* Queue.takeAll(told))],
      ["execution_started", "sandbox_created", "program_started", "sandbox_destroyed", "execution_completed"]
    )
  })
)
