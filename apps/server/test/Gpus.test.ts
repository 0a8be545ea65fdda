import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { standIns } from "../../../packages/host/test/StandInGpus.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const isRoot = process.getuid?.() === 0

const server = Layer.unwrapScoped(
  Effect.map(standIns, (root) =>
    ServerProcess.layer({ SANDBOX_NVIDIA_ROOT: root, SANDBOX_PRICE_GPU_SECOND: "1", SANDBOX_POOL_MAX: "2" })
  )
)

const look = { code: "ls -d /dev/nvidia[0-9]* 2>/dev/null; true", language: "bash" }

/** When a program began and ended, by a clock that all programs share. */
const stamp = { code: "date +%s%N; sleep 0.3; date +%s%N", language: "bash", gpu: { count: 2 } }

const spans = (outputs: ReadonlyArray<string>) =>
  outputs.map((text) => text.trim().split("\n").map(BigInt)).sort(([a = 0n], [b = 0n]) => (a < b ? -1 : 1))

// Only root can make devices that stand in for GPUs.
if (isRoot)
  layer(server, { excludeTestServices: true, timeout: "60 seconds" })("GPUs over HTTP", (it) => {
    it.effect("are in the sandboxes of those programs alone that ask for them", () =>
      Effect.gen(function* () {
        const kind = "NVIDIA H100 80GB HBM3"
        const two = yield* Caller.execute({ ...look, gpu: { count: 2 } })
        assert.strictEqual(two.stdout, "/dev/nvidia0\n/dev/nvidia1\n")
        assert.strictEqual(
          (yield* Caller.execute({ ...look, gpu: { count: 1, kind } })).stdout,
          "/dev/nvidia3\n"
        )
        assert.strictEqual((yield* Caller.execute(look)).stdout, "")
      })
    )

    it.effect("are waited for, and given to one program after the other", () =>
      Effect.gen(function* () {
        const all = yield* Effect.forEach(
          ["ann", "bob", "cid"],
          (userId) => Caller.execute({ ...stamp, userId }),
          { concurrency: "unbounded" }
        )
        const [first = [], second = [], third = []] = spans(all.map(({ stdout }) => stdout))
        assert.isTrue((first[1] ?? 0n) <= (second[0] ?? 0n) && (second[1] ?? 0n) <= (third[0] ?? 0n))
      })
    )

    it.effect("are counted and priced, and told of in the metrics", () =>
      Effect.gen(function* () {
        yield* Caller.execute({ ...look, userId: "dora", gpu: { count: 3 } })
        const { usage } = yield* Caller.get("/api/sandbox/usage?userId=dora")
        assert.closeTo(usage[0].gpuSeconds, (3 * usage[0].sandboxMs) / 1000, 1e-6)
        assert.isAbove(usage[0].costUsd, usage[0].gpuSeconds)
        const { gpus, gpusInUse } = yield* Caller.get("/api/sandbox/metrics")
        assert.strictEqual(gpusInUse, 0)
        assert.deepStrictEqual(gpus, [
          { kind: "NVIDIA L4", count: 3 },
          { kind: "NVIDIA H100 80GB HBM3", count: 1 }
        ])
      })
    )

    it.effect("that are not there are refused, before anything runs", () =>
      Effect.gen(function* () {
        const { body, status } = yield* Caller.post({ ...look, gpu: { count: 1, kind: "NVIDIA T4" } })
        assert.strictEqual(status, 422)
        assert.deepInclude(body.error, {
          code: "PERMISSION_DENIED",
          message: "gpu.kind: expected one of NVIDIA L4, NVIDIA H100 80GB HBM3",
          retryable: false
        })
      })
    )
  })

describe("a server without GPUs", () => {
  it.scopedLive("refuses a request for some, and says so at its start", () =>
    Effect.gen(function* () {
      const { body, status } = yield* Caller.post({ ...look, gpu: { count: 1 } })
      assert.strictEqual(status, 422)
      assert.strictEqual(body.error.message, "gpu: expected none, since the sandboxes here have no GPUs")
      const { ended, kill } = yield* ServerProcess.ServerProcess
      yield* kill("SIGTERM")
      const { stderr, stdout } = yield* ended
      assert.match(stdout + stderr, /^ {2}GPUs +none$/m)
    }).pipe(Effect.provide(ServerProcess.layer({ SANDBOX_NVIDIA_ROOT: "/nowhere" })))
  )
})
