import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import {
  Admission,
  GuestProgram,
  IdempotencyKeys,
  Limits,
  MemoryExecutionStore,
  SandboxService,
  SandboxSupply,
  Toolchain
} from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Schedule } from "effect"
import * as FaultProxy from "./FaultProxy.js"

const megabyte = 1024 * 1024

const limits = { maxOutputBytes: 16 * megabyte, killGracePeriod: 1 }

const bash = { language: "bash", version: "bash 5", file: "main.sh", command: "bash main.sh" } as const

/** The service where nothing of ours can be executed. */
const withoutSupervisor = SandboxService.layerBare.pipe(
  Layer.provide(
    Layer.mergeAll(
      Admission.layer,
      SandboxSupply.layer,
      MemoryExecutionStore.layer(),
      IdempotencyKeys.layerMemory()
    )
  ),
  Layer.provide(Limits.layer(limits)),
  Layer.provide(
    Toolchain.layerTest({
      supervisor: GuestProgram.Absent(),
      size: { vcpus: 2, memoryMB: 512 },
      runtimes: [bash]
    })
  )
)

const services = { supervised: SandboxService.layer(limits), "without a supervisor": withoutSupervisor }

/** The service on real sandboxes, of whose next program nobody takes more than some bytes for so long. */
const stage = Effect.fnUntraced(function* (kind: keyof typeof services, pause: string) {
  const { apiKey, url } = yield* EmbeddedHost
  const proxy = yield* FaultProxy.make(url)
  const provider = E2BSandboxProvider.layer({ apiKey, apiUrl: proxy.url, sandboxUrl: proxy.url })
  const service = Context.get(yield* Layer.build(Layer.provide(services[kind], provider)), SandboxService)
  // So that it is a program that is read so slowly, not the look at the toolchain.
  yield* service.runtimes
  proxy.inject({
    ...FaultProxy.start,
    fault: { _tag: "Pause", bytes: megabyte, pause: pause as `${number} seconds` }
  })
  return service
})

const bytes = 5 * megabyte
const write = `head -c ${bytes} /dev/zero | tr '\\0' x`
const writes = `${write}; ${write} >&2`

// They mostly wait, each on a host of its own.
describe.concurrent("output that is read long after it was written", () => {
  for (const kind of ["supervised", "without a supervisor"] as const)
    it.scopedLive(
      `comes whole (${kind})`,
      () =>
        Effect.gen(function* () {
          const { execute } = yield* stage(kind, "7 seconds")
          const result = yield* execute({ code: writes, language: "bash" })
          const text = "x".repeat(bytes)
          assert.strictEqual(result.verdict, "Completed")
          assert.deepStrictEqual(result.output, { stdoutBytes: bytes, stderrBytes: bytes, truncated: false })
          assert.isTrue(result.stdout === text && result.stderr === text)
        }).pipe(Effect.provide(EmbeddedHost.layer())),
      60_000
    )

  for (const kind of ["supervised", "without a supervisor"] as const)
    it.scopedLive(
      `is said to be cut when its program is killed before it came (${kind})`,
      () =>
        Effect.gen(function* () {
          const { execute, killExecution, listExecutions } = yield* stage(kind, "5 minutes")
          const code = `${writes}; sleep 600`
          const fiber = yield* Effect.fork(execute({ code, language: "bash" }))
          const running = yield* listExecutions({ state: "running" }).pipe(
            Effect.flatMap(({ items }) => Effect.fromNullable(items[0])),
            Effect.retry(Schedule.spaced("20 millis"))
          )
          yield* killExecution(running.executionId)
          const result = yield* Fiber.join(fiber)
          assert.include(result, { verdict: "Killed", success: false })
          assert.isTrue(result.output.truncated)
          assert.isBelow(result.stdout.length, bytes)
        }).pipe(Effect.provide(EmbeddedHost.layer())),
      60_000
    )
})
