import { defaultOutputDir, type NetworkUse, wholeHome } from "@bulkhead/domain"
import { Data, Duration, Effect, Ref } from "effect"
import { ArtifactCollector, type CollectedArtifacts, notCollected } from "../ArtifactCollector.js"
import { ExecutionLog } from "../Record/ExecutionLog.js"
import { Sandbox, type SandboxFailure } from "../Sandboxes/SandboxProvider.js"
import { lifetimeFor, type SandboxObserver, SandboxSupply } from "../Sandboxes/SandboxSupply.js"
import { Toolchain } from "../Sandboxes/Toolchain.js"
import * as SteadyClock from "../SteadyClock.js"
import * as Program from "../Supervision/Program.js"
import { type Outcome, supervise } from "../Supervision/Supervision.js"
import type { AcceptedExecution } from "./AcceptedExecution.js"
import { LiveExecutions } from "./LiveExecutions.js"
import * as NetworkWatch from "./NetworkWatch.js"
import * as RequestFiles from "./RequestFiles.js"
import * as Secrets from "./Secrets.js"

/** What came of a program, and of the files that it left. */
interface Run {
  /** Seconds of wall time that it had. */
  readonly timeout: number
  readonly startupTimeMs: number
  readonly outcome: Outcome
  /** Where the program's artifacts were looked for. */
  readonly outputDir: string
  readonly collected: CollectedArtifacts
  /** Connections that were refused, some of them, in words. */
  readonly denied: ReadonlyArray<string>
  /** Absent: nobody counted. */
  readonly networkUse?: NetworkUse
}

/** What one attempt at an execution came to. */
export interface Attempt extends Run {
  /** Whether the provider confirmed that the sandbox is gone. */
  readonly destroyed: boolean
}

/** The infrastructure failed, with whatever is known of the program by then. */
export class AttemptFailed extends Data.TaggedError("AttemptFailed")<{
  readonly failure: SandboxFailure
  readonly attempt?: Attempt
}> {}

/** The sandbox was lost under the program. */
class ProgramLost extends Data.TaggedError("ProgramLost")<{
  readonly failure: SandboxFailure
  readonly run: Run
}> {}

/** Must be beyond guessing: it is what tells the supervisor's words from the program's. */
const makeNonce = Effect.sync(() => globalThis.crypto.randomUUID())

/**
 * One fresh sandbox, one run of the program in it for at most `timeout` seconds. The sandbox is closed before the
 * answer.
 */
export const attempt = Effect.fn("Execution.attempt")(function* (
  execution: AcceptedExecution,
  timeout: number
) {
  const {
    executionId,
    gpus,
    held,
    limits,
    manifest,
    network,
    request,
    runtime,
    secrets,
    supervisor,
    template
  } = execution
  const supply = yield* SandboxSupply
  const askedAt = yield* SteadyClock.now
  const toolchain = yield* Toolchain
  const brought = runtime.isBrought
    ? yield* Effect.mapError(toolchain.brought, (failure) => new AttemptFailed({ failure }))
    : []
  const given = [...request.files.map((file) => RequestFiles.toSandbox(file, held)), ...brought]
  const asked = { ...request, env: { ...manifest?.env, ...request.env, ...Secrets.variablesOf(secrets) } }
  const program = Program.layOut(asked, given, runtime, supervisor, limits, timeout, yield* makeNonce)
  const isGone = yield* Ref.make(true)
  const observer = yield* observe(execution, isGone)
  const made = {
    lifetime: lifetimeFor(timeout, limits),
    ...(template !== undefined && { template }),
    ...(gpus && { gpus }),
    ...(network && { network }),
    ...(secrets && { secrets: secrets.secrets })
  }
  const sandbox = supply.sandbox({ executionId }, made, observer)

  const ofRun = (run: Run) => Effect.map(Ref.get(isGone), (destroyed): Attempt => ({ ...run, destroyed }))
  return yield* runProgram(execution, program, timeout, askedAt).pipe(
    Effect.provide(sandbox),
    Effect.flatMap(ofRun),
    Effect.catchTags({
      SandboxFailure: (failure) => new AttemptFailed({ failure: Secrets.maskedFailure(secrets, failure) }),
      ProgramLost: ({ failure, run }) =>
        Effect.flatMap(
          ofRun(run),
          (attempt) => new AttemptFailed({ failure: Secrets.maskedFailure(secrets, failure), attempt })
        )
    })
  )
})

/** Logs the sandbox's life, counts how long it lasts, and tells whether its end was confirmed. */
const observe = Effect.fnUntraced(function* (execution: AcceptedExecution, isGone: Ref.Ref<boolean>) {
  const log = yield* ExecutionLog
  const bornAt = yield* Ref.make(0)
  const observer: SandboxObserver = {
    onCreated: Effect.fnUntraced(function* (sandboxId: string) {
      yield* Ref.set(bornAt, yield* SteadyClock.now)
      yield* log.happened(execution, {
        level: "info",
        event: "sandbox_created",
        message: "Sandbox created",
        data: { sandboxId }
      })
    }),
    onClosed: Effect.fnUntraced(function* (sandboxId: string, gone: boolean) {
      const aliveMs = (yield* SteadyClock.now) - (yield* Ref.get(bornAt))
      yield* Ref.update(execution.sandboxMs, (sum) => sum + aliveMs)
      yield* Ref.set(isGone, gone)
      yield* log.happened(execution, {
        level: gone ? "info" : "error",
        event: gone ? "sandbox_destroyed" : "sandbox_leaked",
        message: gone ? "Sandbox destroyed" : "Sandbox not destroyed",
        data: { sandboxId }
      })
    })
  }
  return observer
})

/**
 * Writes the program's files and runs it. Until it is supervised a kill interrupts this, from then on supervision takes
 * it.
 */
const runProgram = Effect.fnUntraced(function* (
  execution: AcceptedExecution,
  program: Program.Program,
  timeout: number,
  askedAt: number
) {
  const sandbox = yield* Sandbox
  const live = yield* LiveExecutions
  const log = yield* ExecutionLog
  const { executionId, killSwitch, limits, secrets, updates } = execution
  if (program.files.length > 0) yield* sandbox.write(program.files)
  const startupTimeMs = (yield* SteadyClock.now) - askedAt

  const supervised = Effect.gen(function* () {
    const watch = yield* NetworkWatch.begin(execution)
    const outcome = yield* supervise({
      program,
      limits,
      timeout: Duration.millis(Math.round(timeout * 1000)),
      killed: killSwitch.pressed,
      onStart: Effect.zipRight(
        live.enter(executionId, "running"),
        log.happened(execution, { level: "info", event: "program_started", message: "Program started" })
      ),
      onOutput: updates.output,
      ...(secrets && { hidden: secrets.forms }),
      onSignal: ({ atMs, signal }) =>
        log.happened(execution, {
          level: "warn",
          event: "signal_sent",
          message: `${signal} sent to every process after ${atMs} ms`
        })
    })
    const outputDir = execution.request.outputDir ?? defaultOutputDir
    const collected = yield* collect(execution, outcome, outputDir)
    const run: Run = { timeout, startupTimeMs, outcome, outputDir, collected, ...(yield* watch.end) }
    const { end } = outcome
    return end._tag === "Lost" ? yield* new ProgramLost({ failure: end.failure, run }) : run
  })
  return yield* killSwitch.attended(Effect.scoped(supervised))
})

const nothingCollected: CollectedArtifacts = { artifacts: [], rejected: [] }

/**
 * What the program left in its output directory. Unless it is proven that no process of its own is still at work
 * there, nothing can be trusted.
 */
const collect = Effect.fnUntraced(function* (
  { executionId, killSwitch, limits, runtime, secrets, updates, userId }: AcceptedExecution,
  { report }: Outcome,
  outputDir: string
) {
  if (!report?.outputs) return nothingCollected
  if (report.survivors === "unknown")
    return notCollected(outputDir, "it is not certain that no process of the program survived")
  if (report.survivors > 0) return notCollected(outputDir, "processes of the program survived")
  const collector = yield* ArtifactCollector
  const sandbox = yield* Sandbox
  const collected = collector.collect({
    ...{ executionId, userId, sandbox, limits, outputDir },
    ...(secrets && { hidden: secrets.forms }),
    onFound: (found) => updates.tell({ type: "artifact", ...found }),
    ...(outputDir === wholeHome && { only: { since: report.beganAtUs, program: runtime.file } })
  })
  // What was kept by then is in no result, and would take room for as long as the execution is kept.
  const dropped = Effect.as(
    collector.forget(executionId),
    notCollected(outputDir, "the execution was killed")
  )
  return yield* Effect.flatten(
    Effect.raceFirst(Effect.map(collected, Effect.succeed), Effect.as(killSwitch.pressed, dropped))
  )
})
