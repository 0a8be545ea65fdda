import type { ExecutionRequestInput } from "@bulkhead/domain"
import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { InstanceName, Sandbox, SandboxProvider, SandboxService } from "@bulkhead/sandbox"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Schedule, Scope } from "effect"
import * as FaultProxy from "./FaultProxy.js"

/** The proxy before a host; the service behind it; and the host's own word on what lives there. */
class Stage extends Context.Tag("Stage")<
  Stage,
  {
    readonly proxy: FaultProxy.FaultProxy
    readonly service: Context.Tag.Service<SandboxService>
    readonly host: Context.Tag.Service<SandboxProvider>
  }
>() {}

/** Failures that are wanted must not make the breaker spare the provider, and what is left behind is looked for often. */
const limits = { retryBackoffMs: 10, killGracePeriod: 1, breakerFailures: 1000, reaperInterval: 1 }

const connection = Effect.map(EmbeddedHost, ({ apiKey, url }) => ({
  url,
  providerAt: (at: string) =>
    E2BSandboxProvider.layer({ apiKey, apiUrl: at, sandboxUrl: at, requestTimeout: "1 second" })
}))

const stage = Layer.scoped(
  Stage,
  Effect.gen(function* () {
    const { providerAt, url } = yield* connection
    const proxy = yield* FaultProxy.make(url)
    const service = Context.get(
      yield* Layer.build(Layer.provide(SandboxService.layer(limits), providerAt(proxy.url))),
      SandboxService
    )
    // So that faults strike executions, not the look at the toolchain.
    yield* service.runtimes
    return { proxy, service, host: Context.get(yield* Layer.build(providerAt(url)), SandboxProvider) }
  })
).pipe(Layer.provideMerge(EmbeddedHost.layer()))

/** Waits until it holds; fails if it takes too long. */
const until = <E, R>(what: string, holds: Effect.Effect<boolean, E, R>) =>
  holds.pipe(
    Effect.repeat({ until: (held) => held, schedule: Schedule.spaced("50 millis") }),
    Effect.timeoutFail({ duration: "20 seconds", onTimeout: () => new Error(`never: ${what}`) })
  )

const bash = "echo hello; echo bye"

interface Case {
  readonly what: string
  readonly on: Pick<FaultProxy.Rule, "method" | "path">
  readonly fault: FaultProxy.Fault
  readonly nth?: (match: number) => boolean
  readonly request?: Partial<ExecutionRequestInput>
  readonly verdict: string
  readonly retries: number
  readonly code?: string
  /** How often the fault strikes. */
  readonly strikes?: number
  /** Sandboxes that the reaper has to end, once the fault is over. */
  readonly reaped?: number
  /** Seconds that it takes at least. */
  readonly atLeast?: number
}

const again = { retryOnFailure: true }
const everyTime = () => true
const reset = { _tag: "ResetBefore" } as const
const answerLost = { _tag: "ResetAfter" } as const
const stallAfter = { _tag: "StallAfter" } as const
const stall = { _tag: "Stall" } as const
const refuse = (status: number, headers: Record<string, string> = {}) =>
  ({ _tag: "Refuse", status, headers }) as const
/** More than the start event, less than what the program says. */
const truncate = { _tag: "Truncate", bytes: 60 } as const

const { create, destroy, files, start } = FaultProxy
const completed = { verdict: "Completed" }
const failed = (code: string) => ({ verdict: "InternalError", code })
const flood: Partial<ExecutionRequestInput> = { code: "yes | head -c 100000" }
const withFile: Partial<ExecutionRequestInput> = {
  files: [{ path: "data.txt", content: "some data" }]
}

const cases: ReadonlyArray<Case> = [
  { what: "create, reset", on: create, fault: reset, ...completed, retries: 1 },
  { what: "create, 429", on: create, fault: refuse(429), ...completed, retries: 1 },
  {
    what: "create, 429 with Retry-After",
    on: create,
    fault: refuse(429, { "retry-after": "1" }),
    ...completed,
    retries: 1,
    atLeast: 1
  },
  { what: "create, 503", on: create, fault: refuse(503), ...completed, retries: 1 },
  { what: "create, no answer", on: create, fault: stall, ...completed, retries: 1 },
  { what: "create, answer lost", on: create, fault: answerLost, ...completed, retries: 1, reaped: 1 },
  { what: "create, made but no answer", on: create, fault: stallAfter, ...completed, retries: 1, reaped: 1 },
  {
    what: "create, answer truncated",
    on: create,
    fault: { _tag: "Truncate", bytes: 10 },
    ...completed,
    retries: 1,
    reaped: 1
  },
  {
    what: "create, slow",
    on: create,
    fault: { _tag: "Delay", delay: "300 millis" },
    ...completed,
    retries: 0
  },
  {
    what: "create, 503 for good",
    on: create,
    fault: refuse(503),
    nth: everyTime,
    ...failed("MAX_RETRIES_EXCEEDED"),
    retries: 3,
    strikes: 4
  },
  { what: "create, 401", on: create, fault: refuse(401), ...failed("PERMISSION_DENIED"), retries: 0 },
  { what: "files, 503", on: files, fault: refuse(503), request: withFile, ...completed, retries: 1 },
  { what: "files, reset", on: files, fault: reset, request: withFile, ...completed, retries: 1 },
  { what: "start, 429", on: start, fault: refuse(429), ...completed, retries: 1 },
  { what: "start, 503", on: start, fault: refuse(503), ...completed, retries: 1 },
  { what: "start, 504", on: start, fault: refuse(504), ...failed("ETIMEDOUT"), retries: 0 },
  { what: "start, 504, again", on: start, fault: refuse(504), request: again, ...completed, retries: 1 },
  { what: "start, reset", on: start, fault: reset, ...failed("ECONNRESET"), retries: 0 },
  { what: "start, reset, again", on: start, fault: reset, request: again, ...completed, retries: 1 },
  { what: "start, answer lost", on: start, fault: answerLost, ...failed("ECONNRESET"), retries: 0 },
  { what: "start, no answer", on: start, fault: stall, ...failed("ETIMEDOUT"), retries: 0 },
  { what: "start, begun but no answer", on: start, fault: stallAfter, ...failed("ETIMEDOUT"), retries: 0 },
  {
    what: "the stream breaks off in its start",
    on: start,
    fault: { _tag: "Truncate", bytes: 3 },
    ...failed("ECONNRESET"),
    retries: 0
  },
  {
    what: "the stream breaks off in the middle of the output",
    on: start,
    fault: { _tag: "Truncate", bytes: 50_000 },
    request: flood,
    ...failed("ECONNRESET"),
    retries: 0
  },
  {
    what: "the stream breaks off in the end event",
    on: start,
    fault: { _tag: "TruncateEnd", bytes: 40 },
    ...failed("ECONNRESET"),
    retries: 0
  },
  { what: "the stream breaks off", on: start, fault: truncate, ...failed("ECONNRESET"), retries: 0 },
  {
    what: "the stream breaks off, again",
    on: start,
    fault: truncate,
    request: again,
    ...completed,
    retries: 1
  },
  { what: "destroy, reset", on: destroy, fault: reset, ...completed, retries: 0 },
  { what: "destroy, 503", on: destroy, fault: refuse(503), ...completed, retries: 0 },
  { what: "destroy, 429", on: destroy, fault: refuse(429), ...completed, retries: 0 },
  { what: "destroy, answer lost", on: destroy, fault: answerLost, ...completed, retries: 0 },
  {
    what: "destroy, reset for good",
    on: destroy,
    fault: reset,
    nth: everyTime,
    ...completed,
    retries: 0,
    reaped: 1
  },
  {
    what: "destroy, 503 for good",
    on: destroy,
    fault: refuse(503),
    nth: everyTime,
    ...completed,
    retries: 0,
    reaped: 1
  },
  { what: "destroy, no answer", on: destroy, fault: stall, ...completed, retries: 0 }
]

layer(stage, { timeout: "60 seconds", excludeTestServices: true })(
  "a fault between us and the host",
  (it) => {
    describe("that strikes", () => {
      for (const {
        atLeast = 0,
        code,
        fault,
        nth,
        on,
        reaped = 0,
        request,
        retries,
        strikes = 1,
        verdict,
        what
      } of cases) {
        const end = [verdict, code, retries === 0 ? "no retry" : `retries: ${retries}`]
        it.effect(`${what}: ${end.filter(Boolean).join(", ")}; no sandbox is left`, () =>
          Effect.gen(function* () {
            const { host, proxy, service } = yield* Stage
            proxy.clear()
            const before = (yield* service.getSystemMetrics).reapedSandboxes ?? 0
            const struck = proxy.inject({ ...on, fault, ...(nth === undefined ? {} : { nth }) })
            const [took, result] = yield* Effect.timed(
              service.execute({ code: bash, language: "bash", timeout: 20, ...request })
            )
            if (nth !== undefined && reaped > 0) assert.isAtLeast(struck(), 4)
            else assert.strictEqual(struck(), strikes)
            assert.deepStrictEqual(
              [result.verdict, result.error?.code, result.metrics.retries],
              [verdict, code, retries],
              result.error?.message
            )
            if (verdict === "Completed") assert.strictEqual(result.stdout, "hello\nbye\n")
            assert.isAtLeast(Duration.toSeconds(took), atLeast)
            if (reaped > 0) {
              // What the fault keeps from being ended is there until it is over; anything else may be gone by now.
              if (nth !== undefined) assert.strictEqual((yield* host.list({})).length, reaped)
              proxy.clear()
              yield* until(
                "it is reaped",
                Effect.map(service.getSystemMetrics, (metrics) => metrics.reapedSandboxes === before + reaped)
              )
            }
            assert.deepStrictEqual(yield* host.list({}), [])
            assert.strictEqual((yield* service.getSystemMetrics).reapedSandboxes, before + reaped)
          })
        )
      }
    })

    it.scoped(
      "a service that is cut off for good leaves its sandbox to its next life, which ends no other's",
      () =>
        Effect.gen(function* () {
          const { host } = yield* Stage
          const { providerAt, url } = yield* connection
          const life = (at: string) =>
            Layer.build(
              SandboxService.layer(limits).pipe(
                Layer.provide(Layer.merge(providerAt(at), Layer.succeed(InstanceName, "ours")))
              )
            ).pipe(Effect.map(Context.get(SandboxService)))
          const left = Effect.map(host.list({ instance: "ours" }), ({ length }) => length)
          yield* Sandbox.scoped(
            host.create({
              metadata: { service: "bulkhead", instance: "other" },
              lifetime: Duration.minutes(1)
            })
          )

          const wire = yield* Scope.make()
          const proxy = yield* Scope.extend(FaultProxy.make(url), wire)
          const first = yield* life(proxy.url)
          const running = yield* Effect.fork(first.execute({ code: "sleep 60", language: "bash" }))
          yield* until(
            "the program runs",
            Effect.map(first.listExecutions({ state: "running" }), ({ items }) => items.length === 1)
          )
          yield* Scope.close(wire, Exit.void)
          const { error, verdict } = yield* Fiber.join(running)
          assert.deepStrictEqual([verdict, error?.code], ["InternalError", "ECONNRESET"])
          assert.strictEqual(yield* left, 1)

          const second = yield* life(url)
          yield* until(
            "the first life's sandbox is ended",
            Effect.map(left, (sandboxes) => sandboxes === 0)
          )
          assert.strictEqual((yield* host.list({ instance: "other" })).length, 1)
          const { stdout } = yield* second.execute({ code: bash, language: "bash" })
          assert.strictEqual(stdout, "hello\nbye\n")
        })
    )
  }
)
