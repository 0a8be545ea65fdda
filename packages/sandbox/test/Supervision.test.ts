import type { SentSignal } from "@bulkhead/domain"
import type { GuestReport } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Fiber, Mailbox, Stream, TestClock } from "effect"
import { defaultLimits } from "../src/Limits.js"
import {
  CommandEvent,
  type CommandExit,
  Sandbox,
  type SandboxFailure
} from "../src/Sandboxes/SandboxProvider.js"
import * as KillSwitch from "../src/Supervision/KillSwitch.js"
import type { Program } from "../src/Supervision/Program.js"
import { supervise } from "../src/Supervision/Supervision.js"
import { judge } from "../src/Supervision/Verdicts.js"
import { settle } from "./Fixture.js"

const nonce = "11111111-2222-3333-4444-555555555555"
const started = `\x1e${nonce} started none cgroup v2\n`
const report: GuestReport = {
  reason: "",
  exited: true,
  status: 0,
  wallMs: 3,
  cpuMs: 2,
  peakBytes: 1,
  oomKills: 0,
  memoryLimitBytes: 2_147_483_648,
  forksRefused: false,
  diskFull: false,
  invalid: false,
  leftRunning: 0,
  survivors: 0,
  clearedMs: 3,
  signals: [],
  stdoutBytes: 0,
  stderrBytes: 3,
  dropped: 0,
  cpuQuota: true,
  outputs: false,
  beganAtUs: 1_700_000_000_000_000,
  outside: 0,
  outsideCut: false,
  outsideNames: [],
  cgroup: "cgroup v2"
}

type Commanding = Stream.Stream<CommandEvent, SandboxFailure>

/** Supervises one command of which the test decides everything. */
const begin = Effect.fnUntraced(function* (
  supervisor: "root" | "none",
  hardOutputBytes = 1000,
  following: (events: Commanding) => Commanding = (events) => events
) {
  const events = yield* Mailbox.make<CommandEvent>()
  const end = yield* Deferred.make<CommandExit, SandboxFailure>()
  const signals: Array<string> = []
  const told: Array<string> = []
  const killSwitch = yield* KillSwitch.make
  const ended = Deferred.await(end).pipe(
    Effect.map((exit) => CommandEvent.Ended({ exit })),
    Effect.ensuring(events.end)
  )
  const sandbox = Sandbox.of({
    id: "sandbox",
    renew: () => Effect.void,
    size: Effect.die("not asked"),
    write: () => Effect.void,
    read: () => Effect.die("not read") as never,
    run: () =>
      Mailbox.fromStream(following(Stream.merge(Mailbox.toStream(events), Stream.fromEffect(ended)))),
    signal: (signal) => Effect.sync(() => void signals.push(signal)),
    destroy: Effect.void
  })
  const program: Program = {
    files: [],
    line: "true",
    user: "user",
    env: {},
    ...(supervisor === "root" ? { nonce } : {})
  }
  const fiber = yield* supervise({
    program,
    limits: { ...defaultLimits, hardOutputBytes },
    timeout: Duration.seconds(60),
    killed: killSwitch.pressed,
    onStart: Effect.sync(() => void told.push("start")),
    onOutput: () => Effect.void,
    onSignal: ({ signal }: SentSignal) => Effect.sync(() => void told.push(signal))
  }).pipe(Effect.provideService(Sandbox, sandbox), Effect.fork)
  yield* settle
  const output = (stream: "stdout" | "stderr", text: string) =>
    events.offer(CommandEvent.Output({ stream, text }))
  const start = events.offer(CommandEvent.Started({ pid: 1 }))
  return { fiber, end, signals, told, killSwitch, output, start }
})

describe("a command that does not say that it runs", () => {
  for (const supervisor of ["root", "none"] as const) {
    it.scoped(`is lost after 30 seconds (supervisor: ${supervisor})`, () =>
      Effect.gen(function* () {
        const { fiber, signals, told } = yield* begin(supervisor)
        yield* TestClock.adjust("29999 millis")
        assert.isNull(fiber.unsafePoll())
        yield* TestClock.adjust("1 millis")
        const outcome = yield* Fiber.join(fiber)
        assert(outcome.end._tag === "Lost")
        assert.include(outcome.end.failure, {
          code: "ETIMEDOUT",
          phase: "start",
          retryable: true,
          mayHaveRun: true
        })
        assert.notProperty(outcome, "executionTimeMs")
        assert.deepStrictEqual(told, [])
        assert.deepStrictEqual(signals, [])
      })
    )

    it.scoped(`is stopped when it is killed, within its grace (supervisor: ${supervisor})`, () =>
      Effect.gen(function* () {
        const { end, fiber, killSwitch, signals } = yield* begin(supervisor)
        yield* killSwitch.press({ reason: "user_request", graceful: true })
        yield* settle
        assert.deepStrictEqual(signals, ["SIGTERM"])
        yield* Deferred.succeed(end, { signal: "SIGTERM" })
        const outcome = yield* Fiber.join(fiber)
        assert.deepInclude(outcome.end, {
          _tag: "Stopped",
          reason: { _tag: "Killed", reason: "user_request", graceful: true },
          exit: { signal: "SIGTERM" }
        })
        assert.deepStrictEqual(outcome.signals, [{ signal: "SIGTERM", atMs: 0 }])
        assert.notProperty(outcome, "executionTimeMs")
      })
    )

    // What a supervisor counts may come as three times as many bytes.
    const most = supervisor === "none" ? 1000 : 3000
    it.scoped(`is stopped when it floods (supervisor: ${supervisor})`, () =>
      Effect.gen(function* () {
        const { end, fiber, output, signals } = yield* begin(supervisor)
        yield* output("stderr", "x".repeat(most))
        yield* settle
        assert.deepStrictEqual(signals, [])
        yield* output("stderr", "x")
        yield* output("stdout", "more")
        yield* settle
        assert.deepStrictEqual(signals, ["SIGTERM"])
        yield* Deferred.succeed(end, { signal: "SIGTERM" })
        const { end: programEnd, output: collected } = yield* Fiber.join(fiber)
        assert(programEnd._tag === "Stopped")
        assert.strictEqual(programEnd.reason._tag, "OutputLimit")
        assert.strictEqual(collected.stderrBytes, most + 1)
      })
    )
  }
})

it.scoped("a program that begins, speaks and ends in one piece of output has begun and ended", () =>
  Effect.gen(function* () {
    const { end, fiber, output, told } = yield* begin("root")
    yield* output("stderr", `${started}err\x1e${nonce} ${JSON.stringify(report)}\n`)
    yield* Deferred.succeed(end, { exitCode: 0 })
    const outcome = yield* Fiber.join(fiber)
    assert.deepInclude(outcome, {
      end: { _tag: "Exited", exit: { exitCode: 0 } },
      stderr: "err",
      cgroup: "cgroup v2",
      report,
      executionTimeMs: 0
    })
    assert.deepStrictEqual(told, ["start"])
  })
)

it.scoped("without a supervisor, one that ends before it is said to run has run", () =>
  Effect.gen(function* () {
    const { end, fiber } = yield* begin("none")
    yield* Deferred.succeed(end, { exitCode: 3 })
    const outcome = yield* Fiber.join(fiber)
    assert.deepInclude(outcome, { end: { _tag: "Exited", exit: { exitCode: 3 } }, executionTimeMs: 0 })
  })
)

it.scoped("one that begins while it is stopped has begun before the next signal", () =>
  Effect.gen(function* () {
    const { fiber, killSwitch, start, told } = yield* begin("none")
    yield* killSwitch.press({ reason: "user_request", graceful: true })
    yield* settle
    yield* start
    yield* TestClock.adjust(Duration.seconds(defaultLimits.killGracePeriod))
    assert.deepStrictEqual(told, ["SIGTERM", "start", "SIGKILL"])
    yield* Fiber.interrupt(fiber)
  })
)

it.scoped("a command that fails in a way that nobody foresaw is lost, and not waited for", () =>
  Effect.gen(function* () {
    const { end, fiber, start } = yield* begin("none")
    yield* start
    yield* Deferred.die(end, new Error("a mistake of the provider's"))
    const { end: programEnd } = yield* Fiber.join(fiber)
    assert(programEnd._tag === "Lost")
    assert.include(programEnd.failure, { code: "INTERNAL_ERROR", phase: "run", retryable: false })
  })
)

it.scoped("a command that never returns, not even after SIGKILL, is given up after two seconds", () =>
  Effect.gen(function* () {
    const { fiber, killSwitch, start, signals, told } = yield* begin("none")
    yield* start
    yield* TestClock.adjust("1 seconds")
    yield* killSwitch.press({ reason: "user_request", graceful: false })
    yield* settle
    assert.deepStrictEqual(signals, ["SIGKILL"])
    yield* TestClock.adjust("1999 millis")
    assert.isNull(fiber.unsafePoll())
    yield* TestClock.adjust("1 millis")
    const outcome = yield* Fiber.join(fiber)
    assert.deepInclude(outcome.end, { _tag: "Stopped", exit: {} })
    assert.isTrue(outcome.output.truncated)
    assert.strictEqual(outcome.executionTimeMs, 3000)
    assert.deepStrictEqual(outcome.signals, [{ signal: "SIGKILL", atMs: 1000 }])
    assert.deepStrictEqual(told, ["start", "SIGKILL"])
  })
)

it.scoped("a command that nothing can interrupt holds up nobody once it is given up", () =>
  Effect.gen(function* () {
    const stuck = Stream.fromEffect(Effect.uninterruptible(Effect.never))
    const { fiber, killSwitch, start } = yield* begin("none", 1000, (events) =>
      Stream.concat(Stream.take(events, 1), stuck)
    )
    yield* start
    yield* killSwitch.press({ reason: "user_request", graceful: false })
    yield* TestClock.adjust("2 seconds")
    assert.deepInclude((yield* Fiber.join(fiber)).end, { _tag: "Stopped", exit: {} })
  })
)

it.scoped("the first reason to stop is the reason", () =>
  Effect.gen(function* () {
    const { end, fiber, killSwitch, output, start } = yield* begin("none")
    yield* start
    yield* output("stdout", "x".repeat(1001))
    yield* settle
    yield* killSwitch.press({ reason: "user_request", graceful: true })
    yield* settle
    yield* Deferred.succeed(end, { signal: "SIGTERM" })
    const { end: programEnd } = yield* Fiber.join(fiber)
    assert(programEnd._tag === "Stopped")
    assert.strictEqual(programEnd.reason._tag, "OutputLimit")
  })
)

/** The supervisor's line when all is over. */
const reported = (bytes: Partial<GuestReport>) =>
  `\x1e${nonce} ${JSON.stringify({ ...report, stderrBytes: 0, ...bytes })}\n`

describe("output is held against what the supervisor counted", () => {
  // Each byte that is not UTF-8 comes as a character of three: the whole of these is more than is kept.
  const binary = "\uFFFD".repeat(defaultLimits.maxOutputBytes / 2)
  const rows: ReadonlyArray<readonly [string, Partial<GuestReport>, string, number, boolean]> = [
    ["all that it counted", { stdoutBytes: 10 }, "0123456789", 0, false],
    ["all but a byte order mark", { stdoutBytes: 10 }, "3456789", 0, false],
    ["bytes that are not UTF-8", { stdoutBytes: 10 }, "\uFFFD".repeat(10), 0, false],
    ["less than it counted", { stdoutBytes: 10 }, "456789", 0, true],
    ["less on the other stream", { stderrBytes: 10 }, "", 0, true],
    [
      "all, of which the supervisor left something out",
      { stdoutBytes: 10, dropped: 1 },
      "0123456789",
      0,
      true
    ],
    ["all, of which we left something out", { stdoutBytes: binary.length }, binary, 0, true],
    ["less than the supervisor had to say", { stdoutBytes: 10 }, "\uFFFD".repeat(4), 3, true]
  ]
  for (const [name, bytes, come, exitCode, truncated] of rows)
    it.scoped(`${name}: truncated is ${truncated}`, () =>
      Effect.gen(function* () {
        const { end, fiber, output } = yield* begin("root", defaultLimits.hardOutputBytes)
        yield* output("stderr", started + reported(bytes))
        yield* output("stdout", come)
        yield* Deferred.succeed(end, { exitCode })
        const outcome = yield* Fiber.join(fiber)
        const { stderrBytes = 0, stdoutBytes = 0 } = bytes
        assert.deepStrictEqual(outcome.output, { stdoutBytes, stderrBytes, truncated })
        assert.strictEqual(judge(outcome, defaultLimits, 60).verdict, "Completed")
      })
    )
})

describe("output of a program that is over", () => {
  /** Its report has come, and the time that it had is over, with the grace and our distance. */
  const late = Effect.gen(function* () {
    const supervised = yield* begin("root")
    yield* supervised.output("stderr", started + reported({ stdoutBytes: 10 }))
    yield* supervised.output("stdout", "01234")
    yield* TestClock.adjust(Duration.seconds(60 + defaultLimits.killGracePeriod + 3))
    return supervised
  })

  it.scoped("may come after the program's time", () =>
    Effect.gen(function* () {
      const { end, fiber, output, signals } = yield* late
      yield* output("stdout", "56789")
      yield* Deferred.succeed(end, { exitCode: 0 })
      const outcome = yield* Fiber.join(fiber)
      assert.deepInclude(outcome, {
        stdout: "0123456789",
        output: { stdoutBytes: 10, stderrBytes: 0, truncated: false }
      })
      assert.deepStrictEqual(signals, [])
    })
  )

  it.scoped("that does not come is waited for 20 seconds, and said to be missing", () =>
    Effect.gen(function* () {
      const { fiber } = yield* late
      yield* TestClock.adjust("21999 millis")
      assert.isNull(fiber.unsafePoll())
      yield* TestClock.adjust("1 millis")
      const outcome = yield* Fiber.join(fiber)
      assert.deepInclude(outcome, {
        stdout: "01234",
        output: { stdoutBytes: 10, stderrBytes: 0, truncated: true }
      })
      assert.deepStrictEqual(judge(outcome, defaultLimits, 60), { verdict: "Completed" })
    })
  )
})
