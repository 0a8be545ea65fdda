import type { ExecutionRequestInput } from "@bulkhead/domain"
import { E2BSandboxProvider } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { SandboxProvider, SandboxService } from "@bulkhead/sandbox"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer } from "effect"
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

const stage = Layer.scoped(
  Stage,
  Effect.gen(function* () {
    const { apiKey, url } = yield* EmbeddedHost
    const proxy = yield* FaultProxy.make(url)
    const direct = E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url })
    const proxied = E2BSandboxProvider.layer({
      apiKey,
      apiUrl: proxy.url,
      sandboxUrl: proxy.url,
      requestTimeout: "1 second"
    })
    const service = Context.get(
      yield* Layer.build(
        SandboxService.layer({ retryBackoffMs: 10, killGracePeriod: 1 }).pipe(Layer.provide(proxied))
      ),
      SandboxService
    )
    // So that faults strike executions, not the look at the toolchain.
    yield* service.runtimes
    return { proxy, service, host: Context.get(yield* Layer.build(direct), SandboxProvider) }
  })
).pipe(Layer.provide(EmbeddedHost.layer()))

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
  /** Seconds that it takes at least. */
  readonly atLeast?: number
}

const again = { retryOnFailure: true }
const everyTime = () => true
const reset = { _tag: "ResetBefore" } as const
const answerLost = { _tag: "ResetAfter" } as const
const stall = { _tag: "Stall" } as const
const refuse = (status: number, headers: Record<string, string> = {}) =>
  ({ _tag: "Refuse", status, headers }) as const
/** More than the start event, less than what the program says. */
const truncate = { _tag: "Truncate", bytes: 60 } as const

const { create, destroy, files, start } = FaultProxy
const completed = { verdict: "Completed" }
const failed = (code: string) => ({ verdict: "InternalError", code })
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
            const struck = proxy.inject({ ...on, fault, ...(nth === undefined ? {} : { nth }) })
            const [took, result] = yield* Effect.timed(
              service.execute({ code: bash, language: "bash", timeout: 20, ...request })
            )
            assert.strictEqual(struck(), strikes)
            assert.deepStrictEqual(
              [result.verdict, result.error?.code, result.metrics.retries],
              [verdict, code, retries],
              result.error?.message
            )
            if (verdict === "Completed") assert.strictEqual(result.stdout, "hello\nbye\n")
            assert.isAtLeast(Duration.toSeconds(took), atLeast)
            assert.deepStrictEqual(yield* host.list({}), [])
          })
        )
      }
    })
  }
)
