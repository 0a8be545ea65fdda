import { renameSync } from "node:fs"
import type { ExecutionResult } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Fiber, Ref, Schedule } from "effect"
import * as Caller from "./Caller.js"
import * as HostProcesses from "./HostProcesses.js"
import * as ServerProcess from "./ServerProcess.js"

const DEATHS = 8

/** Runs programs until told to stop, and gives what came of each. */
const callUntil = (stopped: Ref.Ref<boolean>, userId: string) =>
  Effect.gen(function* () {
    const results: Array<ExecutionResult> = []
    while (!(yield* Ref.get(stopped)))
      results.push(
        (yield* Caller.post({ code: "echo begun; sleep 0.3; echo done", language: "bash", userId })).body
      )
    return results
  })

const isRight = ({ error, exitCode, stdout, verdict }: ExecutionResult) =>
  verdict === "Completed"
    ? stdout === "begun\ndone\n" && exitCode === 0
    : verdict === "InternalError" &&
      error?.category === "infrastructure" &&
      error.retryable &&
      error.message.includes("The launcher of the sandboxes")

it.scopedLive(
  "a launcher that is killed again and again under load costs no execution its end, its reason, or two seconds",
  () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const server = yield* ServerProcess.launch()
      const service = ServerProcess.ServerProcess.of({ ...server, url: yield* server.listening })
      yield* Effect.gen(function* () {
        const stopped = yield* Ref.make(false)
        yield* Caller.execute({ code: "true", language: "bash" })
        const callers = yield* Effect.forEach(["ann", "ben", "cas", "dee"], (userId) =>
          Effect.fork(callUntil(stopped, userId))
        )
        const waits: Array<number> = []
        for (let deaths = 0; deaths < DEATHS; deaths++) {
          yield* Caller.inState("ann", "running")
          yield* HostProcesses.kill(yield* HostProcesses.launcherOf(server.pid))
          const killedAt = yield* Clock.currentTimeMillis
          yield* Caller.execute({ code: "true", language: "bash", userId: "eve" })
          waits.push((yield* Clock.currentTimeMillis) - killedAt)
        }
        yield* Ref.set(stopped, true)
        const results = (yield* Effect.forEach(callers, Fiber.join)).flat()
        assert.deepStrictEqual(
          results.filter((result) => !isRight(result)),
          []
        )
        assert.isAbove(results.filter(({ verdict }) => verdict === "Completed").length, 0)
        assert.isAbove(results.filter(({ verdict }) => verdict === "InternalError").length, 0)
        // Half of them, since a busy machine delays some.
        assert.isBelow(waits.toSorted((a, b) => a - b)[DEATHS / 2] ?? 0, 2000, `waited ${waits} ms`)
        assert.strictEqual((yield* Caller.get("/api/sandbox/metrics")).launcherRestarts, DEATHS)
        assert.strictEqual((yield* Caller.fetchJson("/ready")).status, 200)
        for (const state of ["queued", "starting", "running"])
          assert.deepStrictEqual((yield* Caller.get(`/api/sandbox/executions?state=${state}`)).executions, [])
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, service))
    }),
  90_000
)

/** Waits until `/ready` answers so. */
const ready = (status: number, reason?: string) =>
  Caller.fetchJson("/ready").pipe(
    Effect.repeat({
      schedule: Schedule.spaced("20 millis"),
      while: (answer) => answer.status !== status || answer.body.reason !== reason
    }),
    Effect.timeout("10 seconds"),
    Effect.orDie
  )

it.scopedLive(
  "a launcher that cannot be started is told of by /ready, the breaker and every execution, until it can",
  () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const { guest, server: bundle } = yield* ServerProcess.bundleCopy
      const server = yield* ServerProcess.launch({ SANDBOX_MAX_RETRIES: "0" }, bundle)
      const service = ServerProcess.ServerProcess.of({ ...server, url: yield* server.listening })
      yield* Effect.gen(function* () {
        yield* Caller.execute({ code: "true", language: "bash" })
        renameSync(guest, `${guest}.away`)
        yield* HostProcesses.kill(yield* HostProcesses.launcherOf(server.pid))
        const down = "The launcher of the sandboxes cannot be started again: it cannot be run: ENOENT"
        yield* ready(503, down)
        assert.strictEqual((yield* Caller.get("/api/sandbox/metrics")).circuit, "open")
        const { body, status } = yield* Caller.post({ code: "true", language: "bash" })
        assert.deepInclude(body.error, { code: "SANDBOX_BUSY", message: down, retryable: true })
        assert.strictEqual(status, 502)
        renameSync(`${guest}.away`, guest)
        yield* ready(200)
        yield* Caller.execute({ code: "true", language: "bash" })
        assert.deepInclude(yield* Caller.get("/api/sandbox/metrics"), {
          circuit: "closed",
          launcherRestarts: 1
        })
      }).pipe(Effect.provideService(ServerProcess.ServerProcess, service))
    }),
  60_000
)
