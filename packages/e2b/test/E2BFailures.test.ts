import { createServer as createTlsServer } from "node:tls"
import { type ErrorCategory, type ErrorCode, errorCodes } from "@bulkhead/domain"
import { E2BErrors, E2BSandboxProvider } from "@bulkhead/e2b"
import { Sandbox, type SandboxCommand, type SandboxFailure, SandboxProvider } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import * as E2B from "e2b"
import { Context, Duration, Effect, Layer, Redacted, Stream } from "effect"
import type { Seen } from "../src/Wire.js"
import * as Misbehaving from "./Misbehaving.js"
import * as Transcript from "./Transcript.js"
import * as Unused from "./Unused.js"

type Phase = SandboxFailure["phase"]
type Answers = Partial<Record<Misbehaving.Route, Misbehaving.Answer>>

/** Code, category and whether trying again may help: told here once more, so that no table is checked against itself. */
type Verdict = readonly [ErrorCode, ErrorCategory, boolean]
const denied: Verdict = ["PERMISSION_DENIED", "policy", false]
const limited: Verdict = ["RATE_LIMIT", "infrastructure", true]
const busy: Verdict = ["SANDBOX_BUSY", "infrastructure", true]
const late: Verdict = ["ETIMEDOUT", "infrastructure", true]
const lost: Verdict = ["ECONNRESET", "infrastructure", true]
const unreachable: Verdict = ["ECONNREFUSED", "infrastructure", true]
const internal: Verdict = ["INTERNAL_ERROR", "internal", false]
const full: Verdict = ["DISK_LIMIT_EXCEEDED", "limit", false]
const outOfTime: Verdict = ["EXECUTION_TIMEOUT", "limit", false]

const options = { metadata: { executionId: "exec_test" }, lifetime: Duration.seconds(60) }

const command = (lifetime: Duration.DurationInput): SandboxCommand => ({
  line: "true",
  env: {},
  lifetime: Duration.decode(lifetime)
})

const providerAt = (url: string, { sandboxUrl = url, requestTimeout = Duration.seconds(20) } = {}) =>
  Effect.map(
    Layer.build(
      E2BSandboxProvider.layer({
        apiKey: Redacted.make("e2b_test"),
        apiUrl: url,
        sandboxUrl,
        requestTimeout
      })
    ),
    Context.get(SandboxProvider)
  )

type Provider = Context.Tag.Service<SandboxProvider>

const build = (provider: Provider) => Sandbox.scoped(provider.create(options))

/** Does what the phase is named for. */
const doing = (phase: Phase, lifetime: Duration.DurationInput = "60 seconds") =>
  Effect.fnUntraced(function* (provider: Provider) {
    if (phase === "create") return yield* Effect.asVoid(build(provider))
    if (phase === "list") return yield* Effect.asVoid(provider.list({}))
    if (phase === "destroy") return yield* provider.kill("sbx-any")
    const sandbox = yield* build(provider)
    if (phase === "renew") return yield* sandbox.renew(Duration.seconds(60))
    if (phase === "files") return yield* sandbox.write([{ path: "f", content: new Uint8Array(1) }])
    if (phase === "signal") return yield* sandbox.signal("SIGTERM")
    return yield* Stream.runDrain(Sandbox.events(sandbox, command(lifetime)))
  })

const told = ({ code, phase, retryable }: SandboxFailure) => [
  phase,
  code,
  errorCodes[code].category,
  retryable
]

const everyWay = (row: E2BErrors.Row) => [
  ...(row.types ?? []).map(({ name }) => name),
  ...(row.statuses ?? []).map(String),
  ...(row.rpc ?? []),
  ...(row.network ?? []),
  ...(row.words ?? [])
]

/** Which ways of which rows some test has gone, over a socket or with an error object. */
const overSocket = new Set<string>()
const withObject = new Set<string>()

const note = (gone: Set<string>, phase: Phase, error: unknown, seen: Seen = {}) => {
  const { row, ways } = E2BErrors.find(phase, error, seen)
  for (const way of ways) gone.add(`${row.name}: ${way}`)
}

const checkFailure = (failure: SandboxFailure, phase: Phase, verdict: Verdict, seen?: Seen) => {
  note(overSocket, phase, failure.cause, seen)
  assert.deepStrictEqual(told(failure), [phase, ...verdict], String(failure.cause))
  assert.notMatch(failure.message, /127\.0\.0\.1|localhost|10\.0\.0\.1|\/srv|\/home|sbx-|https?:/)
}

interface More {
  /** What the wire shows beside the SDK's error. */
  readonly seen?: Seen
  readonly lifetime?: Duration.DurationInput
  readonly mayHaveRun?: boolean
  readonly requestTimeout?: Duration.Duration
}

const scenario = (phase: Phase, what: string, answers: Answers, verdict: Verdict, more: More = {}) =>
  it.live(`${phase}: ${what} is ${verdict[0]}`, () =>
    Effect.gen(function* () {
      const { url } = yield* Misbehaving.make(answers)
      const provider = yield* providerAt(url, more)
      const failure = yield* Effect.flip(doing(phase, more.lifetime)(provider))
      checkFailure(failure, phase, verdict, more.seen)
      if (more.mayHaveRun !== undefined) assert.strictEqual(failure.mayHaveRun, more.mayHaveRun)
    }).pipe(Effect.scoped)
  )

const apiRoutes = { create: "create", renew: "renew", list: "list", destroy: "kill" } as const
const routeOf = (phase: Phase): Misbehaving.Route =>
  phase === "files" ? "files" : phase in apiRoutes ? apiRoutes[phase as keyof typeof apiRoutes] : "start"

const apiPhases = ["create", "renew", "list", "destroy"] as const

const statuses: ReadonlyArray<readonly [number, Verdict]> = [
  [400, internal],
  [401, denied],
  [403, denied],
  [404, internal],
  [408, late],
  [409, internal],
  [413, internal],
  [429, limited],
  [500, busy],
  [501, internal],
  [502, busy],
  [503, busy],
  [504, late],
  [507, busy]
]

describe("an HTTP status of the control plane", () => {
  for (const phase of apiPhases) {
    for (const [status, usual] of statuses) {
      // A sandbox that is gone cannot be renewed; and to kill it is to succeed.
      if (status === 404 && phase === "destroy") continue
      const verdict = status === 404 && phase === "renew" ? lost : usual
      const answers = { [apiRoutes[phase]]: Misbehaving.refuse(status) }
      scenario(phase, `${status}`, answers, verdict, { seen: { status } })
    }
    scenario(phase, "503 as a page", { [apiRoutes[phase]]: Misbehaving.html(503) }, busy, {
      seen: { status: 503 }
    })
    scenario(phase, "429 that breaks off", { [apiRoutes[phase]]: Misbehaving.cutOff(429) }, limited, {
      seen: { status: 429 }
    })
  }

  for (const answer of [Misbehaving.refuse(404), Misbehaving.html(404)]) {
    it.live("404 to a kill is success: it is gone", () =>
      Effect.gen(function* () {
        const { url } = yield* Misbehaving.make({ kill: answer })
        yield* doing("destroy")(yield* providerAt(url))
      }).pipe(Effect.scoped)
    )
  }
})

describe("an HTTP status of the files' route", () => {
  const own: Record<number, Verdict> = { 502: lost, 507: full }
  for (const [status, usual] of statuses) {
    scenario("files", `${status}`, { files: Misbehaving.refuse(status) }, own[status] ?? usual)
  }
})

describe("an HTTP status of the start", () => {
  const own: Record<number, Verdict> = { 500: lost, 507: lost, 501: lost }
  const mayHaveRun = new Set([408, 500, 501, 504, 507])
  for (const [status, usual] of statuses) {
    for (const phase of ["start", "signal"] as const) {
      if (phase === "signal" && ![401, 429, 502, 503].includes(status)) continue
      const verdict = phase === "signal" && status === 429 ? busy : (own[status] ?? usual)
      scenario(phase, `${status}`, { start: Misbehaving.html(status) }, verdict, {
        ...(phase === "start" ? { seen: { status } } : {}),
        mayHaveRun: phase === "signal" || mayHaveRun.has(status)
      })
    }
  }
})

describe("a connection", () => {
  for (const phase of [...apiPhases, "files"] as const) {
    const on = (answer: Misbehaving.Answer) => ({ [routeOf(phase)]: answer })
    scenario(phase, "closed instead of an answer", on(Misbehaving.close), lost)
    scenario(phase, "reset instead of an answer", on(Misbehaving.reset), lost)
    scenario(phase, "cut off within an answer", on(Misbehaving.cutOff(200)), lost)
    scenario(phase, "that answers no HTTP", on(Misbehaving.raw("SSH-2.0-OpenSSH_9.2\r\n\r\n")), internal)
  }
  const longHeader = Misbehaving.raw(`HTTP/1.1 200 OK\r\nx: ${"y".repeat(40_000)}\r\n\r\n`)
  scenario("create", "that answers with an endless header", { create: longHeader }, internal)
  for (const phase of ["start", "signal"] as const) {
    const more = { mayHaveRun: true }
    scenario(phase, "closed instead of an answer", { start: Misbehaving.close }, lost, more)
    scenario(phase, "reset instead of an answer", { start: Misbehaving.reset }, lost, more)
    scenario(phase, "closed before the start", { start: Misbehaving.stream([], "close") }, lost, more)
  }
})

describe.concurrent("a provider that is silent", () => {
  const requestTimeout = Duration.millis(800)
  for (const phase of [...apiPhases, "files", "start", "signal"] as const) {
    const answers = { [routeOf(phase)]: Misbehaving.hang }
    const mayHaveRun = phase === "start" || phase === "signal"
    scenario(phase, "no answer", answers, late, { requestTimeout, mayHaveRun })
  }
  for (const phase of ["start", "signal"] as const) {
    const answers = { start: Misbehaving.stream([], "hang") }
    scenario(phase, "an answer, but no start", answers, late, { requestTimeout, mayHaveRun: true })
  }
})

const garbage: ReadonlyArray<readonly [string, string]> = [
  ["no JSON", "<h1>Welcome</h1>"],
  ["half of it", '{"sandboxID":'],
  ["null", "null"],
  ["another thing", '{"hello":1}']
]

describe("an answer that makes no sense", () => {
  for (const [what, body] of garbage) {
    scenario("create", what, { create: Misbehaving.text(201, body) }, internal)
  }
  for (const [what, body] of garbage.filter(([what]) => what !== "null")) {
    scenario("list", what, { list: Misbehaving.text(200, body) }, internal)
  }
  for (const [what, body] of garbage.slice(0, 2)) {
    scenario("files", what, { files: Misbehaving.text(200, body) }, internal)
  }
  scenario("files", "an empty list", { files: Misbehaving.text(200, "[]") }, internal)
  scenario(
    "create",
    "an old template",
    { create: Misbehaving.json(201, Misbehaving.sandbox({ envdVersion: "0.0.1" })) },
    internal
  )
  for (const phase of ["start", "run"] as const) {
    const before = phase === "start" ? [] : [Misbehaving.started]
    const garbled = Misbehaving.stream([...before, Misbehaving.message("{no json")])
    scenario(phase, "an envelope without JSON", { start: garbled }, internal)
  }
  scenario("start", "output first", { start: Misbehaving.stream([Misbehaving.output]) }, internal)
})

const connectCodes: ReadonlyArray<readonly [string, Verdict, Verdict]> = [
  ["canceled", late, lost],
  ["unknown", lost, lost],
  ["invalid_argument", internal, internal],
  ["deadline_exceeded", late, outOfTime],
  ["not_found", internal, internal],
  ["already_exists", internal, internal],
  ["permission_denied", internal, internal],
  ["resource_exhausted", limited, limited],
  ["failed_precondition", internal, internal],
  ["aborted", lost, lost],
  ["out_of_range", internal, internal],
  ["unimplemented", internal, internal],
  ["internal", internal, internal],
  ["unavailable", busy, lost],
  ["data_loss", internal, internal],
  ["unauthenticated", denied, denied]
]

describe("a code of the Connect protocol", () => {
  const { finish, started, stream } = Misbehaving
  for (const [code, atStart, atRun] of connectCodes) {
    const mayHaveRun = ["canceled", "unknown", "deadline_exceeded", "aborted"].includes(code)
    scenario("start", `${code} ends the stream`, { start: stream([finish(code)]) }, atStart, { mayHaveRun })
    scenario("signal", `${code} ends the stream`, { start: stream([finish(code)]) }, atStart)
    scenario("run", `${code} ends the stream`, { start: stream([started, finish(code)]) }, atRun, {
      mayHaveRun: true
    })
  }
  // What the SDK has as unary calls we do not use; a refusal of a stream may come in their form all the same.
  for (const [code, status] of [
    ["unauthenticated", 401],
    ["permission_denied", 403],
    ["resource_exhausted", 429],
    ["unavailable", 503]
  ] as const) {
    const refused = Misbehaving.json(status, { code, message: "no" })
    const verdict = { 401: denied, 403: denied, 429: limited, 503: busy }[status]
    scenario("start", `${code} as ${status}`, { start: refused }, verdict, {
      seen: { status },
      mayHaveRun: false
    })
  }
})

describe("the embedded host's launcher", () => {
  const { finish, started, stream } = Misbehaving
  const under = "the launcher of this sandbox died under it"
  const before = "the launcher of this sandbox died before"
  scenario("run", "that died", { start: stream([started, finish("unavailable", under)]) }, lost, {
    mayHaveRun: true
  })
  scenario("start", "that died meanwhile", { start: stream([finish("failed_precondition", under)]) }, lost, {
    mayHaveRun: true
  })
  scenario("start", "that had died", { start: stream([finish("failed_precondition", before)]) }, busy, {
    mayHaveRun: false
  })
  scenario("files", "that had died", { files: Misbehaving.json(502, { message: before }) }, lost, {
    mayHaveRun: false
  })
  const message = "The launcher of the sandboxes died and is being started again: it was ended by SIGKILL"
  scenario("create", "that is not there", { create: Misbehaving.json(503, { code: 503, message }) }, busy)
})

it.live("a sandbox that is gone before anybody has asked for its size is lost", () =>
  Effect.gen(function* () {
    const { url } = yield* Misbehaving.make()
    const sandbox = yield* build(yield* providerAt(url))
    checkFailure(yield* Effect.flip(sandbox.size), "list", lost)
  }).pipe(Effect.scoped)
)

describe("a stream", () => {
  const { ended, finish, message, output, started, stream } = Misbehaving
  const gone = Misbehaving.json(502, { sandboxId: "sbx", message: "The sandbox was not found", code: 502 })
  scenario("start", "that ends before the start", { start: stream([finish()]) }, lost, { mayHaveRun: true })
  scenario("start", "that is empty", { start: stream([]) }, lost, { mayHaveRun: true })
  scenario("start", "cut off, and the sandbox is gone", { start: stream([], "close"), health: gone }, lost, {
    mayHaveRun: true
  })
  scenario("run", "cut off", { start: stream([started, output], "close") }, lost)
  scenario(
    "run",
    "cut off, and the sandbox is gone",
    { start: stream([started, output], "close"), health: gone },
    lost
  )
  scenario(
    "run",
    "cut off within an envelope",
    { start: stream([started, message({ event: {} }).subarray(0, 3)], "close") },
    lost
  )
  scenario(
    "run",
    "that ends within the head of an envelope",
    { start: stream([started, output.subarray(0, 3)]) },
    lost
  )
  scenario("run", "that ends within an envelope", { start: stream([started, output.subarray(0, 12)]) }, lost)
  scenario("run", "without an end event", { start: stream([started, output, finish()]) }, lost)
  scenario("run", "without a last envelope", { start: stream([started, output]) }, lost)
  scenario("run", "without anything but the start", { start: stream([started]) }, lost)
  scenario("run", "longer than the command may live", { start: stream([started], "hang") }, outOfTime, {
    lifetime: "100 millis"
  })
  scenario("signal", "cut off", { start: stream([started], "close") }, lost)
  scenario("signal", "without an end event", { start: stream([started, finish()]) }, lost)
  const failed = message({ event: { end: { exitCode: 1, exited: true, status: "exit status 1" } } })
  scenario("signal", "of a shell that fails", { start: stream([started, failed, finish()]) }, internal)
  it.live("cut off after the end event still has its exit", () =>
    Effect.gen(function* () {
      const { url } = yield* Misbehaving.make({ start: stream([started, ended, finish()]) })
      const sandbox = yield* build(yield* providerAt(url))
      assert.deepStrictEqual((yield* Transcript.of(Sandbox.events(sandbox, command("60 seconds")))).exit, {
        exitCode: 0
      })
    }).pipe(Effect.scoped)
  )
})

/** A server that speaks TLS, but has nothing to show for itself. */
const strangeTls = Effect.acquireRelease(
  Effect.async<ReturnType<typeof createTlsServer>>((resume) => {
    const server = createTlsServer({}, () => {})
    server.on("tlsClientError", () => {})
    server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
  }),
  (server) => Effect.sync(() => server.close())
)

describe("a provider", () => {
  const elsewhere = (what: string, url: Effect.Effect<string>, verdict: Verdict) =>
    it.live(`create: ${what} is ${verdict[0]}`, () =>
      Effect.gen(function* () {
        const failure = yield* Effect.flip(doing("create")(yield* providerAt(yield* url)))
        checkFailure(failure, "create", verdict)
      }).pipe(Effect.scoped)
    )

  elsewhere("where nobody listens", Unused.url, unreachable)
  // ENOTFOUND, or EAI_AGAIN where there is no name server to ask.
  elsewhere("that no name leads to", Effect.succeed("http://nowhere.invalid"), unreachable)
  it.live("start: where nobody listens is ECONNREFUSED, and nothing has run", () =>
    Effect.gen(function* () {
      const { url } = yield* Misbehaving.make()
      const provider = yield* providerAt(url, { sandboxUrl: yield* Unused.url })
      const failure = yield* Effect.flip(doing("start")(provider))
      checkFailure(failure, "start", unreachable, { network: "ECONNREFUSED" })
      assert.isFalse(failure.mayHaveRun)
    }).pipe(Effect.scoped)
  )
  it.live("create: that answers TLS with plain text is INTERNAL_ERROR", () =>
    Effect.gen(function* () {
      const { url } = yield* Misbehaving.make()
      const provider = yield* providerAt(url.replace("http:", "https:"))
      checkFailure(yield* Effect.flip(doing("create")(provider)), "create", internal)
    }).pipe(Effect.scoped)
  )
  it.live("create: that shows no certificate is INTERNAL_ERROR", () =>
    Effect.gen(function* () {
      const address = (yield* strangeTls).address()
      const port = typeof address === "object" ? address?.port : undefined
      const failure = yield* Effect.flip(doing("create")(yield* providerAt(`https://127.0.0.1:${port}`)))
      checkFailure(failure, "create", internal)
    }).pipe(Effect.scoped)
  )
})

describe("Retry-After", () => {
  const inTwoMinutes = {
    date: "Sat, 01 Aug 2026 10:00:00 GMT",
    "retry-after": "Sat, 01 Aug 2026 10:02:00 GMT"
  }
  const inThePast = { date: "Sat, 01 Aug 2026 10:00:00 GMT", "retry-after": "Sat, 01 Aug 2026 09:00:00 GMT" }
  const asked = (
    what: string,
    phase: "create" | "renew" | "list" | "destroy" | "start",
    answer: Misbehaving.Answer,
    code: ErrorCode,
    seconds?: number
  ) =>
    it.live(`${phase}: ${what} is ${seconds} s, and is asked once`, () =>
      Effect.gen(function* () {
        const route = phase === "start" ? "start" : apiRoutes[phase]
        const { asked, url } = yield* Misbehaving.make({ [route]: answer })
        const failure = yield* Effect.flip(doing(phase)(yield* providerAt(url)))
        assert.deepStrictEqual([failure.code, failure.retryAfter], [code, seconds])
        assert.strictEqual(asked[route], 1)
      }).pipe(Effect.scoped)
    )

  for (const phase of [...apiPhases, "start"] as const) {
    asked("429 with 2", phase, Misbehaving.refuse(429, { "retry-after": "2" }), "RATE_LIMIT", 2)
    asked("503 with 7", phase, Misbehaving.refuse(503, { "retry-after": "7" }), "SANDBOX_BUSY", 7)
  }
  asked("429 with 0", "create", Misbehaving.refuse(429, { "retry-after": "0" }), "RATE_LIMIT", 0)
  asked("503 with a date", "create", Misbehaving.refuse(503, inTwoMinutes), "SANDBOX_BUSY", 120)
  asked("429 with a date", "create", Misbehaving.html(429, inTwoMinutes), "RATE_LIMIT", 120)
  asked("503 with a past date", "create", Misbehaving.refuse(503, inThePast), "SANDBOX_BUSY", 0)
  asked("429 with nonsense", "create", Misbehaving.refuse(429, { "retry-after": "soon" }), "RATE_LIMIT")
  asked("429 without it", "create", Misbehaving.refuse(429), "RATE_LIMIT")

  it.live("is told to the call that it answers, and to no other", () =>
    Effect.gen(function* () {
      let calls = 0
      const { url } = yield* Misbehaving.make({
        create: (response, request) => {
          calls++
          Misbehaving.refuse(429, { "retry-after": String(calls) })(response, request)
        }
      })
      const provider = yield* providerAt(url)
      const failures = yield* Effect.all(
        Array.from({ length: 20 }, () => Effect.flip(Effect.scoped(doing("create")(provider)))),
        { concurrency: "unbounded" }
      )
      const waits = failures.map(({ retryAfter }) => retryAfter ?? 0).sort((a, b) => a - b)
      assert.deepStrictEqual(
        waits,
        Array.from({ length: 20 }, (_, index) => index + 1)
      )
    }).pipe(Effect.scoped)
  )
})

/** What no server on loopback can bring about, or what only calls that we do not make throw. */
describe("an error object", () => {
  const fetchFailed = (code: string) => new TypeError("fetch failed", { cause: { code } })
  const rows: ReadonlyArray<readonly [Phase, unknown, Verdict]> = [
    ...[
      "ENOTFOUND",
      "EAI_AGAIN",
      "EHOSTUNREACH",
      "EHOSTDOWN",
      "ENETUNREACH",
      "ENETDOWN",
      "EADDRNOTAVAIL"
    ].map((code) => ["create", fetchFailed(code), unreachable] as const),
    ...["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"].map(
      (code) => ["create", fetchFailed(code), late] as const
    ),
    ...[
      "CERT_HAS_EXPIRED",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "EPROTO",
      "HPE_INVALID_CONSTANT",
      "UND_ERR_RES_EXCEEDED_MAX_SIZE",
      "UND_ERR_INVALID_ARG",
      "UND_ERR_NOT_SUPPORTED",
      "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH"
    ].map((code) => ["create", fetchFailed(code), internal] as const),
    ...[
      "ECONNRESET",
      "ECONNABORTED",
      "EPIPE",
      "UND_ERR_SOCKET",
      "UND_ERR_CLOSED",
      "UND_ERR_DESTROYED",
      "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
      "HPE_INVALID_EOF_STATE",
      "ERR_HTTP2_STREAM_ERROR",
      "UND_ERR_SOMETHING_NEW"
    ].map((code) => ["files", fetchFailed(code), lost] as const),
    ["create", new TypeError("fetch failed"), lost],
    ["create", new DOMException("stopped", "AbortError"), late],
    ["create", new DOMException("slow", "TimeoutError"), late],
    ["create", new E2B.TimeoutError("slow"), late],
    ["renew", new E2B.SandboxNotFoundError("gone"), lost],
    ["run", new E2B.SandboxNotFoundError("gone"), lost],
    ["run", new TypeError("terminated"), lost],
    ["files", new E2B.FileNotFoundError("no file"), internal],
    ["create", new E2B.GitAuthError("no"), denied],
    ["create", new E2B.GitUpstreamError("no"), internal],
    ["create", new E2B.BuildError("no"), internal],
    ["create", new E2B.FileUploadError("no"), internal],
    ["create", new E2B.VolumeError("no"), internal],
    ["create", new E2B.VolumeNotFoundError("no"), internal],
    ["create", new E2B.VolumePathNotFoundError("no"), internal],
    ["create", new E2B.SecretError("no"), internal],
    ["create", new E2B.SecretNotFoundError("no"), internal],
    ["create", new E2B.SandboxError("no"), internal],
    ["create", new Error("a surprise"), internal],
    ["create", "no error at all", internal],
    ["create", null, internal]
  ]

  for (const [phase, error, verdict] of rows) {
    const cause = error instanceof Error ? (error.cause as { readonly code?: string } | undefined) : undefined
    it(`${phase}: ${String(error)} ${cause?.code ?? ""} is ${verdict[0]}`, () => {
      note(withObject, phase, error)
      assert.deepStrictEqual(told(E2BErrors.classify(phase)(error)), [phase, ...verdict])
    })
  }

  it("of every class that the SDK exports is known, or known to be unknown", () => {
    const classes = Object.values(E2B).filter(
      (value) => typeof value === "function" && value.prototype instanceof Error
    )
    const tried = rows.map(([, error]) => error)
    const known = new Set(E2BErrors.table.flatMap(({ types }) => types ?? []) as ReadonlyArray<unknown>)
    for (const type of classes) {
      const isTried = tried.some((error) => error instanceof Error && error.constructor === type)
      assert.isTrue(known.has(type) || isTried, String(type))
    }
  })
})

describe("the table", () => {
  it("has rows with names of their own", () => {
    const names = E2BErrors.table.map(({ name }) => name)
    assert.strictEqual(new Set(names).size, names.length)
  })

  it("has no way that no test has gone", () => {
    const ways = E2BErrors.table.flatMap((row) => everyWay(row).map((way) => `${row.name}: ${way}`))
    const left = ways.filter((way) => !overSocket.has(way) && !withObject.has(way))
    assert.deepStrictEqual(left, [])
  })

  it("is gone over a socket, but for what loopback cannot bring about", () => {
    const rows = E2BErrors.table.filter(
      (row) => !everyWay(row).some((way) => overSocket.has(`${row.name}: ${way}`))
    )
    assert.deepStrictEqual(
      rows.map(({ name }) => name),
      ["the provider is silent on the network", "our request is not HTTP that can be sent"]
    )
  })
})
