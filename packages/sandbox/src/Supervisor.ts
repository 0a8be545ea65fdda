import type { SentSignal } from "@bulkhead/domain"
import { Clock, Deferred, Duration, Effect, Either, Exit, Fiber, Option, type Scope } from "effect"
import type { KillRequest } from "./ExecutionRegistry.js"
import { Limits } from "./Limits.js"
import { type CollectedOutput, Output } from "./Output.js"
import type { Program } from "./Program.js"
import { type CommandExit, Sandbox, type SandboxCommand, SandboxFailure } from "./SandboxProvider.js"
import { type SupervisorReport, SupervisorVoice } from "./SupervisorReport.js"

/** Why a running program must be stopped, and whether it gets the grace period. */
export type StopReason =
  | { readonly _tag: "Deadline"; readonly graceful: boolean }
  | { readonly _tag: "OutputLimit"; readonly graceful: boolean }
  | ({ readonly _tag: "Killed" } & KillRequest)

/** Why a program no longer runs, with its own exit where that was seen. */
export type Ending =
  | { readonly _tag: "Exited"; readonly exit: CommandExit }
  | { readonly _tag: "Stopped"; readonly reason: StopReason; readonly exit: CommandExit }
  | { readonly _tag: "Lost"; readonly failure: SandboxFailure }

/** What is known of a program that no longer runs. */
export interface Outcome extends CollectedOutput {
  readonly ending: Ending
  readonly signals: ReadonlyArray<SentSignal>
  /** Absent: the program never started. */
  readonly executionTimeMs?: number
  /** The kind of cgroup that the supervisor in the sandbox found. Absent: it never spoke. */
  readonly cgroup?: string
  /** Absent: there was no supervisor in the sandbox, or it did not live to tell. */
  readonly report?: SupervisorReport
}

export interface Supervision<R> {
  readonly program: Program
  /** Wall time from the program's start. */
  readonly timeout: Duration.Duration
  /** Completes when the program is to be killed. */
  readonly killed: Deferred.Deferred<KillRequest>
  readonly onStart: Effect.Effect<void, never, R>
  readonly onSignal: (signal: SentSignal) => Effect.Effect<void, never, R>
}

/** How long a killed program may take to be reported dead before the sandbox is destroyed around it. */
const deathNotice = Duration.seconds(2)

/** How long sending a signal may take. */
const signalBound = Duration.seconds(5)

/** Each wall stands this far behind the one before it: the supervisor in the sandbox, we, the provider. */
const secondWall = Duration.seconds(3)
const thirdWall = Duration.seconds(30)

/** What is learned of a program while it runs. */
interface Watched {
  readonly started: Deferred.Deferred<void>
  readonly flooded: Deferred.Deferred<void>
  readonly output: Output
  /** What the supervisor in the sandbox said. */
  cgroup?: string
  report?: SupervisorReport
}

const makeWatched = Effect.gen(function* () {
  const limits = yield* Limits
  const flooded = yield* Deferred.make<void>()
  const watched: Watched = {
    started: yield* Deferred.make<void>(),
    flooded,
    output: new Output(limits, () => Deferred.unsafeDone(flooded, Exit.void))
  }
  return watched
})

/** Where the pieces of a program's output go, and what counts as its start. */
const listen = (
  program: Program,
  watched: Watched
): Pick<SandboxCommand, "onOutput" | "onStart"> & { end: () => void } => {
  const { output, started } = watched
  const begin = () => Deferred.unsafeDone(started, Exit.void)
  if (program.nonce === undefined) {
    return { onStart: begin, onOutput: (stream, text) => output.append(stream, text), end: () => {} }
  }
  const voice = new SupervisorVoice(program.nonce, {
    onStarted: (cgroup) => {
      watched.cgroup = cgroup
      begin()
    },
    onReport: (report) => {
      watched.report = report
    },
    onText: (text) => output.append("stderr", text)
  })
  return {
    onOutput: (stream, text) => (stream === "stderr" ? voice.hear(text) : output.append("stdout", text)),
    end: () => voice.end()
  }
}

/** Runs a program in the sandbox at hand until it ends or must end. Never fails: a lost sandbox is an ending like others. */
export const supervise: <R>(
  supervision: Supervision<R>
) => Effect.Effect<Outcome, never, Sandbox | Limits | Scope.Scope | R> = Effect.fn("Supervisor.supervise")(
  function* <R>({ program, timeout, killed, onStart, onSignal }: Supervision<R>) {
    const sandbox = yield* Sandbox
    const grace = Duration.seconds((yield* Limits).killGracePeriod)
    const watched = yield* makeWatched
    const { started, flooded, output } = watched
    const { end, ...listener } = listen(program, watched)

    const command = yield* sandbox
      .run({
        line: program.line,
        user: program.user,
        env: program.env,
        lifetime: Duration.sum(Duration.sum(timeout, grace), thirdWall),
        ...listener
      })
      .pipe(Effect.either, Effect.forkScoped)
    const ended = Effect.map(Fiber.join(command), endingOf)

    yield* Effect.raceFirst(Deferred.await(started), ended)
    const startedAt = yield* Clock.currentTimeMillis
    const sinceStart = Effect.map(Clock.currentTimeMillis, (now) => now - startedAt)
    const hasStarted = yield* Deferred.isDone(started)
    if (hasStarted) yield* onStart

    const signals: Array<SentSignal> = []
    const send = Effect.fnUntraced(function* (signal: SentSignal["signal"]) {
      const sent = { signal, atMs: yield* sinceStart }
      signals.push(sent)
      yield* onSignal(sent)
      yield* bounded(sandbox.signal(signal), signalBound)
    })
    const exitWithin = (period: Duration.Duration) =>
      Effect.map(Effect.timeoutOption(ended, period), Option.map(exitOf))

    /** SIGTERM to the whole tree, the grace to end by itself, then SIGKILL. */
    const stop = Effect.fnUntraced(function* (period: Duration.Duration) {
      if (!Duration.equals(period, Duration.zero)) {
        yield* send("SIGTERM")
        const exit = yield* exitWithin(period)
        if (Option.isSome(exit)) return exit.value
      }
      yield* send("SIGKILL")
      return Option.getOrElse(yield* exitWithin(deathNotice), (): CommandExit => ({}))
    })

    const mustStop = Effect.raceFirst(
      Effect.map(Deferred.await(killed), (request): StopReason => ({ _tag: "Killed", ...request })),
      Effect.as(Deferred.await(flooded), { _tag: "OutputLimit", graceful: true } as StopReason)
    )
    // Under a supervisor the grace is over when our own deadline comes, and only SIGKILL is left to send.
    const isFirstWall = program.nonce === undefined
    const ending = yield* Effect.raceFirst(ended, Effect.flip(mustStop)).pipe(
      Effect.timeoutFail({
        duration: isFirstWall ? timeout : Duration.sum(Duration.sum(timeout, grace), secondWall),
        onTimeout: (): StopReason => ({ _tag: "Deadline", graceful: isFirstWall })
      }),
      Effect.catchAll((reason) =>
        Effect.map(
          stop(reason.graceful ? grace : Duration.zero),
          (exit): Ending => ({ _tag: "Stopped", reason, exit })
        )
      )
    )
    end()
    const { cgroup, report } = watched
    return {
      ending: hasStarted || isFirstWall ? ending : neverStarted(ending),
      signals: [...(report?.signals ?? []), ...signals],
      ...output.collected,
      ...(hasStarted || (isFirstWall && ending._tag === "Exited") ? { executionTimeMs: yield* sinceStart } : {}),
      ...(cgroup === undefined ? {} : { cgroup }),
      ...(report === undefined ? {} : { report })
    }
  }
)

/** Tries, and gives up after a while without waiting for the attempt to be cleaned up. */
const bounded = <E, R>(effect: Effect.Effect<void, E, R>, period: Duration.Duration) =>
  effect.pipe(Effect.ignoreLogged, Effect.disconnect, Effect.timeoutOption(period))

const endingOf = Either.match({
  onLeft: (failure: SandboxFailure): Ending => ({ _tag: "Lost", failure }),
  onRight: (exit: CommandExit): Ending => ({ _tag: "Exited", exit })
})

const exitOf = (ending: Ending): CommandExit => (ending._tag === "Lost" ? {} : ending.exit)

/** A supervisor that ends before it began never ran the program. */
const neverStarted = (ending: Ending): Ending =>
  ending._tag === "Exited"
    ? {
        _tag: "Lost",
        failure: new SandboxFailure({
          code: "INTERNAL_ERROR",
          phase: "start",
          message: "The supervisor in the sandbox did not start",
          retryable: false
        })
      }
    : ending
