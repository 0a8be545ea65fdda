import type { AuditVerification, ExecutionEvent, SystemMetrics, UserUsage } from "@bulkhead/domain"
import { assert, layer } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const program = `
import os
out = os.environ["SANDBOX_OUTPUT_DIR"]
open(out + "/report.csv", "w").write("a,b\\n1,2\\n")
open(out + "/tool", "wb").write(b"\\x7fELF" + bytes(100))
print("done")
`

const fetchText = (path: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.promise(async () => {
      const response = await fetch(`${url}${path}`)
      return { status: response.status, headers: response.headers, text: await response.text() }
    })
  )

layer(ServerProcess.layer(), { excludeTestServices: true, timeout: 60_000 })(
  "what an execution leaves behind",
  (it) => {
    it.effect("its artifacts, a log that verifies, and what it cost", () =>
      Effect.gen(function* () {
        const result = yield* Caller.execute({ code: program, userId: "ann" })
        assert.include(result, { verdict: "Completed", stdout: "done\n" })
        assert.deepStrictEqual(
          result.artifacts.map(({ mediaType, name, size }) => ({ mediaType, name, size })),
          [{ mediaType: "text/csv; charset=utf-8", name: "report.csv", size: 8 }]
        )
        assert.deepStrictEqual(
          result.rejectedArtifacts.map(({ name }) => name),
          ["tool"]
        )
        assert.match(result.rejectedArtifacts[0]?.reason ?? "", /^Artifact validation failed: /)

        const artifact = yield* fetchText(`/api/executions/${result.executionId}/artifacts/report.csv`)
        assert.strictEqual(artifact.status, 200)
        assert.strictEqual(artifact.text, "a,b\n1,2\n")
        assert.match(artifact.headers.get("content-disposition") ?? "", /^attachment/)
        assert.strictEqual(artifact.headers.get("x-content-type-options"), "nosniff")
        const refused = yield* fetchText(`/api/executions/${result.executionId}/artifacts/tool`)
        assert.strictEqual(refused.status, 404)

        const log: ReadonlyArray<ExecutionEvent> = yield* Caller.get(
          `/api/sandbox/logs/${result.executionId}`
        )
        assert.deepStrictEqual(
          log.map(({ event }) => event),
          [
            "execution_started",
            "sandbox_created",
            "program_started",
            "sandbox_destroyed",
            "execution_completed"
          ]
        )
        assert.match(String(log[0]?.data?.codeSha256), /^[0-9a-f]{64}$/)
        assert.notInclude(JSON.stringify(log), "SANDBOX_OUTPUT_DIR")

        const audit: AuditVerification = yield* Caller.get("/api/sandbox/audit/verify")
        assert.isTrue(audit.intact)
        assert.isAtLeast(audit.checked, log.length)

        const { usage }: { readonly usage: ReadonlyArray<UserUsage> } = yield* Caller.get(
          "/api/sandbox/usage?userId=ann"
        )
        assert.include(usage[0], { executions: 1, artifactBytes: 8 })
        assert.isAbove(usage[0]?.costUsd ?? 0, 0)
      })
    )

    it.effect("artifacts in a directory of its own choice", () =>
      Effect.gen(function* () {
        const result = yield* Caller.execute({
          code: 'echo hello > "$SANDBOX_OUTPUT_DIR/hello.txt"; pwd; echo "$SANDBOX_OUTPUT_DIR"',
          language: "bash",
          outputDir: "deep/results"
        })
        assert.strictEqual(result.stdout, "/home/user\n/home/user/deep/results\n")
        assert.deepStrictEqual(
          result.artifacts.map(({ name }) => name),
          ["hello.txt"]
        )
      })
    )
  }
)

layer(ServerProcess.layer({ SANDBOX_POOL_MIN: "2", SANDBOX_POOL_MAX: "3" }), {
  excludeTestServices: true,
  timeout: 60_000
})("a pool", (it) => {
  it.effect("gives each execution a sandbox that nobody had before", () =>
    Effect.gen(function* () {
      const metrics: Effect.Effect<SystemMetrics, never, ServerProcess.ServerProcess> =
        Caller.get("/api/sandbox/metrics")
      yield* metrics.pipe(
        Effect.repeat({ until: ({ pool }) => pool.idle >= 2, schedule: Schedule.spaced("20 millis") })
      )
      const leaveMark = "test ! -e /tmp/mark && touch /tmp/mark && echo fresh"
      const results = yield* Effect.forEach(
        Array.from({ length: 8 }, (_, index) => index),
        () => Caller.execute({ code: leaveMark, language: "bash" }),
        { concurrency: 2 }
      )
      assert.deepStrictEqual([...new Set(results.map(({ stdout }) => stdout))], ["fresh\n"])
      const { pool } = yield* metrics
      assert.strictEqual(pool.hits + pool.misses, 8)
      assert.isAtLeast(pool.hits, 2)
    })
  )
})
