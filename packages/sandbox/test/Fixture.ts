import type { LimitValues } from "@bulkhead/domain"
import {
  Admission,
  type ExecutionStore,
  GuestProgram,
  IdempotencyKeys,
  Limits,
  MemoryExecutionStore,
  type Runtime,
  SandboxService,
  SandboxSupply,
  Toolchain
} from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Effect, Fiber, Layer, TestClock } from "effect"

const python: Runtime = {
  language: "python",
  version: "python 3.11.2",
  file: "main.py",
  command: "python3 -u main.py"
}

/** A guest program that is sent along, of which the mock takes no notice. */
export const sentAsRoot = GuestProgram.Sent({ user: "root", directory: "/tmp", packed: "" })

/** The real service on mock sandboxes that know python and bash, by default without a supervisor in them. */
export const service = (
  behaviour: Partial<MockSandboxProvider.MockBehaviour> = {},
  limits: Partial<LimitValues> = {},
  supervisor: GuestProgram = GuestProgram.Absent(),
  store: Layer.Layer<ExecutionStore> = MemoryExecutionStore.layer()
) =>
  SandboxService.layerBare.pipe(
    Layer.provide(Layer.mergeAll(Admission.layer, SandboxSupply.layer)),
    Layer.provideMerge(Limits.layer(limits)),
    Layer.provideMerge(Layer.merge(store, IdempotencyKeys.layerMemory())),
    Layer.provideMerge(
      Toolchain.layerTest({
        supervisor,
        size: { vcpus: 2, memoryMB: 512 },
        runtimes: [python, { ...python, language: "bash", file: "main.sh", command: "bash main.sh" }]
      })
    ),
    Layer.provideMerge(MockSandboxProvider.layer(behaviour))
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
