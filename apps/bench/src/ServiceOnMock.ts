import { ExecutionId, type ExecutionResult, type LimitValues, UserId } from "@bulkhead/domain"
import { Sandbox, SandboxProvider, SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider, MockSupervisor } from "@bulkhead/testing"
import { Array as Arr, Duration, Effect, Fiber, Layer, Schema, Stream } from "effect"
import * as ClosedLoop from "./ClosedLoop.js"
import * as Interleave from "./Interleave.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure, type Row } from "./Measurement.js"
import type { Options } from "./Options.js"

const over: MockSandboxProvider.MockProgram = () => Effect.succeed({ exitCode: 0 })

/** Sandboxes that are there at once. In them this program runs under a supervisor, or one that is over at once. */
const sandboxes = (program = over, options?: MockSandboxProvider.MockOptions) =>
  MockSandboxProvider.layer({ program, supervisor: MockSupervisor.reporting({}) }, options)

/** The whole service on such sandboxes, and the sandboxes. */
export const layer = (
  limits: Partial<LimitValues>,
  program?: MockSandboxProvider.MockProgram,
  options?: MockSandboxProvider.MockOptions
) => Layer.provideMerge(SandboxService.layer(limits), sandboxes(program, options))

const failure = ({ message }: { readonly message: string }) =>
  new MeasurementFailure({ message: `the service: ${message}` })

const isAsExpected = ({ receipt, verdict }: ExecutionResult) =>
  verdict === "Completed" && receipt?.enforcement.wallTime === "supervisor"

/** Has a program run for a user, and gives the result, which must be that it completed, under a supervisor. */
export const complete = (
  user: string
): Effect.Effect<ExecutionResult, MeasurementFailure, SandboxService> => {
  const userId = UserId.make(user)
  return Effect.flatMap(SandboxService, ({ execute }) => execute({ code: "print(1)" }, { userId })).pipe(
    Effect.mapError(failure),
    Effect.filterOrFail(isAsExpected, (result) => failure({ message: JSON.stringify(result) }))
  )
}

/** Looks at the toolchain, as each service does once. */
export const ready = Effect.flatMap(SandboxService, ({ runtimes }) => runtimes).pipe(Effect.mapError(failure))

/** Takes so many places for work that runs elsewhere. Gives the effect that gives them back. */
export const holdPlaces = Effect.fn("ServiceOnMock.holdPlaces")(function* (places: number) {
  const { endExecution, startExecution } = yield* SandboxService
  const held = Arr.makeBy(places, (at) => ExecutionId.make(`exec_holder${at}`))
  yield* Effect.forEach(held, (id) => startExecution(id, UserId.make(id)), { discard: true })
  return Effect.mapError(
    Effect.forEach(held, (id) => endExecution(id), { discard: true }),
    failure
  )
}, Effect.mapError(failure))

/** Waits until so many requests wait. */
export const untilQueued = (wanted: number) =>
  Effect.flatMap(SandboxService, ({ getSystemMetrics }) => getSystemMetrics).pipe(
    Effect.delay(Duration.millis(10)),
    Effect.repeat({ until: ({ queuedExecutions }) => queuedExecutions === wanted }),
    Effect.timeoutFail({
      duration: Duration.minutes(1),
      onTimeout: () => failure({ message: `there are not ${wanted} requests in the queue` })
    })
  )

/** A row that runs in this very process, each time in a fiber of its own without a parent, like a server's requests. */
const ownRow = (name: string, how: string, once: Effect.Effect<unknown, MeasurementFailure>): Row => {
  // To join would be to take over the fiber's references too, which costs as much as to fork.
  const inFiber = Effect.flatMap(Effect.forkDaemon(once), (fiber) => Effect.flatten(Fiber.await(fiber)))
  return {
    name,
    how,
    run: (concurrency, duration) =>
      Machine.withCpuMs(ClosedLoop.run(inFiber, concurrency, duration), Machine.ownCpuMs)
  }
}

const command = { line: "python3 -u main.py", env: {}, lifetime: Duration.minutes(1) }

const providerRow = Effect.map(SandboxProvider, ({ create }) =>
  ownRow(
    "provider directly",
    "the mock provider: create a sandbox, run, destroy",
    Effect.acquireUseRelease(
      create({ metadata: {}, lifetime: command.lifetime }),
      (sandbox) => Stream.runDrain(Sandbox.events(sandbox, command)),
      ({ destroy }) => Effect.orDie(destroy)
    ).pipe(Effect.mapError(({ message }) => new MeasurementFailure({ message: `the provider: ${message}` })))
  )
)

const serviceRow = Effect.map(Effect.context<SandboxService>(), (context) =>
  ownRow(
    "whole service",
    "SandboxService.execute on the same provider",
    Effect.provide(complete("bench"), context)
  )
)

/** The provider called directly, and the whole service. */
export const Result = Schema.Array(Interleave.Measured)

/** Compares the whole service with its provider called directly, so many at once, without latency anywhere. */
const measure = Effect.fnUntraced(function* (atOnce: number, options: Options) {
  yield* ready
  const rows = yield* Effect.all([providerRow, serviceRow])
  yield* Interleave.warmUp(rows, atOnce, Duration.millis(options.ownWarmUpMs))
  const samples = yield* Interleave.run(rows, [atOnce], options.rounds, Duration.millis(options.blockMs))
  return Interleave.compare(samples, "provider directly")
})

const measureWith = (atOnce: number, options: Options) =>
  Effect.provide(
    measure(atOnce, options),
    layer({ maxConcurrentSandboxes: atOnce, maxSandboxesPerUser: atOnce }, undefined, {
      // Or what is measured would be a heap that grows with every execution.
      remembered: 0
    })
  )

/** As many as the specification lets run at once. */
const permits = 50

/** How many executions a second go through the service when all its permits are in use. */
export const throughput = (options: Options) => measureWith(permits, options)

/** How long one execution takes through the service and without it, one at a time. */
export const overhead = (options: Options) => measureWith(1, options)

/** Milliseconds that the service adds to the median execution. */
export const added = ([direct, service]: ReadonlyArray<Pick<Interleave.Measured, "p50">>) =>
  (service?.p50 ?? Number.NaN) - (direct?.p50 ?? Number.NaN)
