import { ArtifactCollector, type CollectOptions, SandboxService } from "@bulkhead/sandbox"
import { MockSupervisor } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect, Fiber, Layer, Ref } from "effect"
import { sentAsRoot, service } from "./Fixture.js"

const artifact = { name: "a.txt", size: 1, sha256: "ca", mediaType: "text/plain" }
const rejected = { name: "b.exe", reason: "Artifact validation failed: no" }

const leaving = (outputs: boolean) =>
  service({ supervisor: MockSupervisor.reporting({ outputs }) }, { maxArtifactSizeMB: 7 }, sentAsRoot)

const run = (outputDir?: string) =>
  Effect.flatMap(SandboxService, ({ execute }) =>
    execute({ code: "1", userId: "ann", ...(outputDir === undefined ? {} : { outputDir }) })
  )

describe("without a collector", () => {
  it.effect("what a program leaves is refused, and the result says why", () =>
    Effect.gen(function* () {
      const { artifacts, rejectedArtifacts, success } = yield* run("deep/results")
      assert.isTrue(success)
      assert.deepStrictEqual(artifacts, [])
      assert.deepStrictEqual(rejectedArtifacts, [
        { name: "deep/results", reason: "Artifact validation failed: no artifacts are kept here" }
      ])
    }).pipe(Effect.provide(leaving(true)))
  )

  it.effect("nothing is refused of a program that leaves nothing", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual((yield* run()).rejectedArtifacts, [])
    }).pipe(Effect.provide(leaving(false)))
  )
})

describe("a collector that is provided", () => {
  it.effect("is asked once for what the program left, and its answer is the result's", () =>
    Effect.gen(function* () {
      const asked = yield* Ref.make<ReadonlyArray<CollectOptions>>([])
      const collector = Layer.succeed(ArtifactCollector, {
        collect: (options) =>
          Effect.as(
            Ref.update(asked, (all) => [...all, options]),
            { artifacts: [artifact], rejected: [rejected] }
          ),
        forget: () => Effect.dieMessage("this result is kept"),
        taken: () => Effect.succeed(0)
      })
      const result = yield* Effect.provide(run(), Layer.provide(leaving(true), collector))
      assert.deepStrictEqual(result.artifacts, [artifact])
      assert.deepStrictEqual(result.rejectedArtifacts, [rejected])
      const all = yield* Ref.get(asked)
      assert.deepStrictEqual(
        all.map(({ executionId, limits, outputDir }) => [executionId, limits.maxArtifactSizeMB, outputDir]),
        [[result.executionId, 7, "output"]]
      )
    })
  )

  it.effect("forgets what it has kept of an execution that is killed meanwhile", () =>
    Effect.gen(function* () {
      const kept = yield* Deferred.make<void>()
      const happened = yield* Ref.make<ReadonlyArray<string>>([])
      const note = (what: string) => Ref.update(happened, (all) => [...all, what])
      const collector = Layer.succeed(ArtifactCollector, {
        collect: () =>
          Deferred.succeed(kept, undefined).pipe(
            Effect.zipRight(Effect.never),
            Effect.onInterrupt(() => note("stopped"))
          ),
        forget: (executionId) => note(`forgot ${executionId}`),
        taken: () => Effect.succeed(0)
      })
      const killed = Effect.gen(function* () {
        const { killExecution, listExecutions } = yield* SandboxService
        const running = yield* Effect.fork(run())
        yield* Deferred.await(kept)
        const [execution] = (yield* listExecutions()).items
        assert(execution)
        yield* killExecution(execution.executionId)
        return yield* Fiber.join(running)
      })
      const result = yield* Effect.provide(killed, Layer.provide(leaving(true), collector))
      assert.deepStrictEqual(result.artifacts, [])
      assert.deepStrictEqual(yield* Ref.get(happened), ["stopped", `forgot ${result.executionId}`])
    })
  )
})
