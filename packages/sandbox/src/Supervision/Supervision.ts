import type { OutputSummary, SentSignal } from "@bulkhead/domain"
import { Cause, Chunk, Duration, Effect, Exit, Fiber, Option, Ref } from "effect"
import type { LimitValues } from "../Limits.js"
import { type CommandExit, Sandbox, SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import * as SteadyClock from "../SteadyClock.js"
import * as CommandWatch from "./CommandWatch.js"
import type { GuestReport } from "./GuestReport.js"
import type { KillRequest } from "./KillSwitch.js"
import type { CollectedOutput } from "./Output.js"
import type { Program } from "./Program.js"

/** Why a running program must be stopped, and whether it gets the grace period. */
export type StopReason =
  | { readonly _tag: "Deadline"; readonly graceful: boolean }
  | { readonly _tag: "OutputLimit"; readonly graceful: boolean }
  /** The program is over by the supervisor's word, but not all of its output has come. */
  | { readonly _tag: "OutputLate"; readonly graceful: false }
  | ({ readonly _tag: "Killed" } & KillRequest)

/** Why a program no longer runs, with its own exit where that was seen. */
export type ProgramEnd =
  | { readonly _tag: "Exited"; readonly exit: CommandExit }
  | { readonly _tag: "Stopped"; readonly reason: StopReason; readonly exit: CommandExit }
  | { readonly _tag: "Lost"; readonly failure: SandboxFailure }

/** What came first: the end of the program, or a reason to end it. */
type Turn = ProgramEnd | { readonly _tag: "MustStop"; readonly reason: StopReason }

/** What is known of a program that no longer runs. */
export interface Outcome extends CollectedOutput, CommandWatch.Said {
  readonly end: ProgramEnd
  readonly signals: ReadonlyArray<SentSignal>
  /** Absent: the program never started. */
  readonly executionTimeMs?: number
}

export interface SupervisionOptions extends CommandWatch.Listener {
  readonly program: Program
  readonly limits: LimitValues
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  /** Waits for a request to kill the program. */
  readonly killed: Effect.Effect<KillRequest>
  /** Runs when a signal has been sent. */
  readonly onSignal: (signal: SentSignal) => Effect.Effect<void>
}

/** How long a killed program may take to be reported dead before the sandbox is destroyed around it. */
const deathNotice = Duration.seconds(2)

/** How long a program may take to start once its sandbox is there. */
const startBound = Duration.seconds(30)

/** How long sending a signal may take. */
const signalBound = Duration.seconds(5)

/** Each wall stands this far behind the one before it: the supervisor in the sandbox, we, the provider. */
const secondWall = Duration.seconds(3)
const thirdWall = Duration.seconds(30)

/** How long output may be on its way from a program that is over, behind our wall and before the provider's. */
const arrivalBound = Duration.seconds(20)

/** The supervisor's exit code where not all that it had to say was taken. */
const NOT_ALL_SAID = 3

/**
 * Runs a program in the sandbox until it ends or must end: a race between the command, the deadline, the flood and the
 * kill. A sandbox that is lost on the way is an end like others.
 */
export const supervise = Effect.fn("Supervision.supervise")(function* (options: SupervisionOptions) {
  const { killed, limits, onSignal, program, timeout } = options
  const sandbox = yield* Sandbox
  const grace = Duration.seconds(limits.killGracePeriod)
  // Behind a supervisor in the sandbox, the grace is over when our own deadline comes.
  const isFirstWall = program.nonce === undefined
  const wall = isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall)
  const lifetime = Duration.sum(Duration.sum(timeout, grace), thirdWall)

  const watch = yield* CommandWatch.make(program, limits, options)
  const { env, line, user } = program
  // A daemon, since nobody waits for a command that nothing can end: its sandbox ends it.
  const command = yield* watch.follow(sandbox.run({ line, user, env, lifetime })).pipe(
    Effect.tapDefect((cause) => Effect.logError("The command failed unexpectedly", cause)),
    Effect.forkDaemon
  )
  const ended = Effect.map(Fiber.await(command), endOf)
  const sinceStart = Effect.zipWith(watch.startedAt, SteadyClock.now, (startedAt, now) =>
    startedAt === undefined ? undefined : now - startedAt
  )

  const late = Effect.as(Effect.sleep(arrivalBound), mustStop({ _tag: "OutputLate", graceful: false }))
  const deadline = Effect.succeed(mustStop({ _tag: "Deadline", graceful: isFirstWall }))
  const lastMoment = Effect.zipRight(
    Effect.sleep(wall),
    Effect.if(watch.hasReported, { onTrue: () => late, onFalse: () => deadline })
  )
  const outOfTime = watch.begun.pipe(
    Effect.timeoutOption(startBound),
    Effect.flatMap(
      Option.match({
        onNone: () => Effect.succeed(lateStart),
        onSome: () => lastMoment
      })
    )
  )
  const flooded = Effect.as(watch.flooded, mustStop({ _tag: "OutputLimit", graceful: true }))
  const mustDie = Effect.map(killed, (request) => mustStop({ _tag: "Killed", ...request }))
  const first = yield* Effect.raceAll<Effect.Effect<Turn>>([ended, outOfTime, flooded, mustDie])

  const signals = yield* Ref.make(Chunk.empty<SentSignal>())
  const send = (signal: SentSignal["signal"]) =>
    Effect.gen(function* () {
      const sent = { signal, atMs: (yield* sinceStart) ?? 0 }
      const isSent = yield* sandbox.signal(signal).pipe(
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeout(signalBound),
        Effect.tapErrorCause((cause) => Effect.logDebug("Signal not sent", cause)),
        Effect.exit,
        Effect.map(Exit.isSuccess)
      )
      if (!isSent) return
      yield* Ref.update(signals, Chunk.append(sent))
      yield* onSignal(sent)
    })
  const end: ProgramEnd =
    first._tag === "MustStop"
      ? {
          _tag: "Stopped",
          reason: first.reason,
          exit: yield* stop(send, ended, first.reason.graceful ? grace : Duration.zero)
        }
      : first
  yield* Fiber.interruptFork(command)

  const executionTimeMs = yield* sinceStart
  const { report: told, ...learned } = yield* watch.learned
  const report = told !== undefined && isBelievable(learned, end) ? told : undefined
  const outcome: Outcome = {
    ...learned,
    ...(report === undefined ? {} : { report, output: counted(learned.output, report, end) }),
    end: isFirstWall || report !== undefined ? end : unexplained(end, executionTimeMs !== undefined),
    signals: [...(report?.signals ?? []), ...(yield* Ref.get(signals))],
    ...measured(executionTimeMs, isFirstWall && end._tag === "Exited")
  }
  return outcome
})

/**
 * A supervisor speaks first, reports once, and then ends by itself. Whoever speaks in its name has to keep it from its
 * own report, and mostly kills it.
 */
const isBelievable = ({ isContradicted, ways }: CommandWatch.Said, end: ProgramEnd) =>
  ways !== undefined && isContradicted === undefined && (end._tag !== "Exited" || isOwnEnd(end.exit))

const isOwnEnd = ({ exitCode }: CommandExit) => exitCode === 0 || exitCode === NOT_ALL_SAID

/** The SDK keeps the byte order mark to itself that a stream may begin with. */
const markBytes = 3

/**
 * What the supervisor counted, held against what has come. That is never fewer bytes, since what is not UTF-8 only
 * becomes longer.
 */
const counted = (come: OutputSummary, report: GuestReport, end: ProgramEnd): OutputSummary => {
  const { dropped, stderrBytes, stdoutBytes } = report
  const isMissing =
    come.stdoutBytes + markBytes < stdoutBytes ||
    come.stderrBytes + markBytes < stderrBytes ||
    exitOf(end).exitCode === NOT_ALL_SAID
  return { stdoutBytes, stderrBytes, truncated: come.truncated || dropped > 0 || isMissing }
}

/** A command that ended before it was seen to start took no time. */
const measured = (executionTimeMs: number | undefined, hasEnded: boolean) => {
  if (executionTimeMs !== undefined) return { executionTimeMs }
  return hasEnded ? { executionTimeMs: 0 } : {}
}

const mustStop = (reason: StopReason): Turn => ({ _tag: "MustStop", reason })

const exitWithin = (ended: Effect.Effect<ProgramEnd>, period: Duration.Duration) =>
  Effect.map(Effect.timeoutOption(ended, period), Option.map(exitOf))

/** SIGTERM to the whole tree, the grace to end by itself, then SIGKILL. */
const stop = Effect.fnUntraced(function* (
  send: (signal: SentSignal["signal"]) => Effect.Effect<void>,
  ended: Effect.Effect<ProgramEnd>,
  grace: Duration.Duration
) {
  if (!Duration.equals(grace, Duration.zero)) {
    yield* send("SIGTERM")
    const exit = yield* exitWithin(ended, grace)
    if (Option.isSome(exit)) return exit.value
  }
  yield* send("SIGKILL")
  return Option.getOrElse(yield* exitWithin(ended, deathNotice), (): CommandExit => ({}))
})

const startFailure = (code: "ETIMEDOUT" | "INTERNAL_ERROR", message: string) =>
  new SandboxFailure({ code, phase: "start", message, retryable: code === "ETIMEDOUT" })

const lateStart: Turn = {
  _tag: "Lost",
  failure: startFailure("ETIMEDOUT", "The program did not start in time")
}

const runFailure = (message: string, cause?: unknown) =>
  new SandboxFailure({ code: "INTERNAL_ERROR", phase: "run", message, retryable: false, cause })

const silence = runFailure("The supervisor in the sandbox ended without a report")

const endOf = Exit.match({
  onFailure: (cause: Cause.Cause<SandboxFailure>): ProgramEnd => ({
    _tag: "Lost",
    failure: Option.getOrElse(Cause.failureOption(cause), () =>
      runFailure("The command failed unexpectedly", Cause.squash(cause))
    )
  }),
  onSuccess: (exit: CommandExit): ProgramEnd => ({ _tag: "Exited", exit })
})

const exitOf = (end: ProgramEnd): CommandExit => (end._tag === "Lost" ? {} : end.exit)

/** The end of a supervisor that gave no report is not the program's; one that had not begun never ran it. */
const unexplained = (end: ProgramEnd, hasStarted: boolean): ProgramEnd =>
  end._tag === "Exited"
    ? {
        _tag: "Lost",
        failure: hasStarted
          ? silence
          : startFailure("INTERNAL_ERROR", "The supervisor in the sandbox did not start")
      }
    : end
