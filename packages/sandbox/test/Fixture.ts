import type { LimitValues } from "@bulkhead/domain"
import { type ExecutionStore, GuestProgram, MemoryExecutionStore, SandboxService } from "@bulkhead/sandbox"
import { type MockSandboxProvider, MockToolchain, TestSandboxService } from "@bulkhead/testing"
import { Effect, Fiber, Layer, TestClock } from "effect"

/** A guest program that is sent along, of which the mock takes no notice. */
export const sentAsRoot = GuestProgram.Sent({ user: "root", directory: "/tmp", packed: "" })

const runtimes = MockToolchain.facts.runtimes.filter(({ language }) => language !== "typescript")

/** The real service on mock sandboxes that have no TypeScript, and by default no supervisor. */
export const service = (
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {},
  limits: Partial<LimitValues> = {},
  supervisor: GuestProgram = GuestProgram.Absent(),
  store: Layer.Layer<ExecutionStore> = MemoryExecutionStore.layer()
) =>
  Layer.provideMerge(
    TestSandboxService.layerOver({ ...behaviour, limits, toolchain: { supervisor, runtimes } }),
    store
  )

/** Lets everything that can happen now happen, without time going by. */
export const settle = TestClock.adjust(0)

/** Runs a program in the background, until it needs time to go by. */
export const begin = Effect.fnUntraced(function* (code = "print(1)", userId = "ann") {
  const sandboxes = yield* SandboxService
  const fiber = yield* Effect.fork(sandboxes.execute({ code, userId }))
  yield* settle
  return fiber
})

export const joinAll = <A, E>(fibers: ReadonlyArray<Fiber.Fiber<A, E>>) => Fiber.join(Fiber.all(fibers))
