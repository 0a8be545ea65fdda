import { type Gpus, type NetworkPolicy, noNetwork } from "@bulkhead/domain"
import {
  CommandEvent,
  type CommandEvents,
  type CommandExit,
  Sandbox,
  type SandboxCommand,
  type SandboxFailure,
  type SandboxOptions,
  SandboxProvider
} from "@bulkhead/sandbox"
import { Duration, Effect, Exit, FiberRef, GlobalValue, Mailbox, type Scope, Stream } from "effect"
import { type Call, type Fate, type Faults, failureOf } from "./Faults.js"
import * as MockSupervisor from "./MockSupervisor.js"
import * as SimulatedNetwork from "./SimulatedNetwork.js"
import { SimulatedProcess, type SimulationTime } from "./SimulationTime.js"

/** What a program does once it runs. Times in milliseconds. */
export type Behaviour =
  | { readonly _tag: "Ends"; readonly after: number; readonly exitCode: number }
  | { readonly _tag: "Crashes"; readonly after: number }
  | { readonly _tag: "Floods"; readonly after: number }
  /** Writes a piece of output again and again, then exits. */
  | { readonly _tag: "Talks"; readonly every: number; readonly pieces: number }
  /** Runs until SIGTERM. */
  | { readonly _tag: "Sleeps" }
  /** Runs until SIGKILL. */
  | { readonly _tag: "Stubborn" }

/** One run of a program, as it was and not as anyone was told. */
export interface ProgramRun {
  readonly code: string
  readonly sandbox: CloudSandbox
  readonly startedAt: number
  endedAt?: number
  exit?: CommandExit
}

interface LiveProgram {
  readonly behaviour: Behaviour
  /** By itself, by a signal, or by the supervisor in its sandbox. */
  readonly end: (exit: CommandExit, reason?: "" | "timeout") => void
  /** Its sandbox is gone. */
  readonly lose: () => void
}

export interface CloudSandbox {
  readonly id: string
  readonly metadata: Readonly<Record<string, string>>
  /** GPUs that were asked for with it. */
  readonly gpus: number
  /** Whose it is. */
  readonly owner: SimulatedProcess
  readonly bornAt: number
  /** What its programs may connect to. */
  readonly network: NetworkPolicy | undefined
  /** What they may use without having it. */
  readonly secrets: SandboxOptions["secrets"]
  readonly programs: Set<LiveProgram>
  lifetime: () => boolean
  /** Why it may be there although nobody wants it: a fault, an abandoned call, or a crash. */
  excuse?: string
  isGone: boolean
  hasFiles: boolean
}

/** Whose calls these are: what the fates of calls are told apart by. */
export const currentSubject: FiberRef.FiberRef<string> = GlobalValue.globalValue(
  "@bulkhead/testing/currentSubject",
  () => FiberRef.unsafeMake("service")
)

/** The GPUs of the cloud, which all executions share. */
export const simulatedGpus: ReadonlyArray<Gpus> = [{ kind: "simulated", count: 3 }]

/** How long the provider's client waits for an answer, where it bounds its calls. */
export const requestTimeout = 30_000

/** How the look for what a program left behind ends when that is nothing. */
const nothingListed: CommandExit = { exitCode: 4 }

/** What is found there after a program that talks: files that are refused by what they are. */
const refusedFiles = "pid 7\nsymlink -1 0 0 1 61\nfifo -1 0 0 1 62\nsymlink -1 0 0 1 63\nend 0 1\n"

const flood = "x".repeat(3000)

/** Bytes of each piece that a program writes who talks. */
const pieceBytes = 32_768

const pieceOf = (number: number) => `${number} `.repeat(pieceBytes).slice(0, pieceBytes)

/** How a sandbox that is gone answers. */
const goneFailure = (call: Call) => failureOf(call, call === "start" ? "ECONNREFUSED" : "ECONNRESET")

export interface CloudEvents {
  readonly onProgramStart: (run: ProgramRun) => void
  /** The provider ended a sandbox by itself because its life was over. */
  readonly onExpired: (sandbox: CloudSandbox) => void
}

export interface CloudOptions {
  readonly time: SimulationTime
  readonly faults: Faults
  readonly behaviourOf: (code: string) => Behaviour
  readonly events: CloudEvents
  /** Whether a call that creates a sandbox can be given up before it is answered. */
  readonly interruptibleCreates: boolean
}

type Answer<A> = Exit.Exit<A, SandboxFailure>

/** What joins a command to whoever follows it. */
interface Line {
  readonly command: SandboxCommand
  readonly hears: () => boolean
  readonly emit: (event: CommandEvent) => void
  readonly answer: (exit: Answer<CommandExit>, delay: number) => void
}

const tell = ({ emit, hears }: Line, text: string, stream: "stdout" | "stderr" = "stderr") => {
  if (text !== "" && hears()) emit(CommandEvent.Output({ stream, text }))
}

/**
 * The provider's side of the simulation: what is true, whatever the service was told. It outlives every life of the
 * service.
 */
export class Cloud {
  readonly sandboxes = new Map<string, CloudSandbox>()
  readonly runs: Array<ProgramRun> = []
  private readonly options: CloudOptions
  private readonly self: SimulatedProcess
  private born = 0

  constructor(options: CloudOptions) {
    this.options = options
    this.self = new SimulatedProcess(options.time)
  }

  /** What one life of the service sees of the cloud. */
  connect(owner: SimulatedProcess): SandboxProvider["Type"] {
    return SandboxProvider.of({
      name: "faulty",
      network: { defaultMode: "open", flawOf: () => undefined },
      secrets: { flawOf: () => undefined },
      gpus: simulatedGpus,
      create: (asked) => {
        const call = this.call<CloudSandbox>(owner, "create", {
          happen: (fate) => this.create(owner, asked, fate),
          onLost: (sandbox, why) => {
            sandbox.excuse = why
          },
          isBounded: true
        })
        const sandbox = this.options.interruptibleCreates ? Effect.interruptible(call) : call
        return Effect.map(sandbox, (sandbox) => this.handle(owner, sandbox))
      },
      list: (wanted) =>
        this.call(owner, "list", {
          happen: () =>
            Exit.succeed(
              [...this.sandboxes.values()]
                .filter(({ metadata }) =>
                  Object.entries(wanted).every(([tag, value]) => metadata[tag] === value)
                )
                .map(({ id, metadata }) => ({ id, metadata }))
            )
        }),
      kill: (sandboxId) => this.destroy(owner, () => this.sandboxes.get(sandboxId))
    })
  }

  /** A process died: what it had may stay behind. */
  crashed(owner: SimulatedProcess): void {
    for (const sandbox of this.sandboxes.values()) if (sandbox.owner === owner) sandbox.excuse = "crash"
  }

  private handle(owner: SimulatedProcess, sandbox: CloudSandbox): Sandbox["Type"] {
    let isDestroyed = false
    const destroy = Effect.map(
      this.destroy(owner, () => sandbox),
      () => {
        isDestroyed = true
      }
    )
    return Sandbox.of({
      id: sandbox.id,
      size: Effect.succeed({ vcpus: 2, memoryMB: 512 }),
      renew: (lifetime) =>
        this.call(owner, "renew", {
          happen: () => {
            if (sandbox.isGone) return Exit.fail(goneFailure("renew"))
            this.expire(sandbox, lifetime)
            return Exit.void
          }
        }),
      write: () =>
        this.call(owner, "files", {
          happen: () => (sandbox.isGone ? Exit.fail(goneFailure("files")) : Exit.void),
          isBounded: true
        }),
      ...((sandbox.network ?? noNetwork).mode !== "off" && {
        network: (from: number, wait?: Duration.Duration) =>
          Effect.suspend(() => {
            if (sandbox.isGone) return Effect.fail(goneFailure("run"))
            const report = SimulatedNetwork.reportFrom(from, sandbox.secrets)
            const isNew = wait === undefined || report.attempts.length > 0
            return isNew ? Effect.succeed(report) : Effect.delay(Effect.succeed(report), wait)
          })
      }),
      read: () => Stream.fail(failureOf("files", "INTERNAL_ERROR")),
      run: (command) => this.run(owner, sandbox, command),
      signal: (signal) =>
        this.call(owner, "signal", {
          happen: () => {
            if (sandbox.isGone) return Exit.fail(goneFailure("signal"))
            for (const { behaviour, end } of [...sandbox.programs]) {
              if (signal === "SIGKILL" || behaviour._tag !== "Stubborn") end({ signal })
            }
            return Exit.void
          }
        }),
      destroy: Effect.suspend(() => (isDestroyed ? Effect.void : destroy))
    })
  }

  private create(
    owner: SimulatedProcess,
    { gpus, lifetime, metadata, network, secrets }: SandboxOptions,
    { key }: Fate
  ): Answer<CloudSandbox> {
    const { faults, time } = this.options
    const sandbox: CloudSandbox = {
      id: `sandbox-${++this.born}`,
      ...{ metadata, network, secrets },
      gpus: gpus?.count ?? 0,
      owner,
      bornAt: time.now,
      programs: new Set(),
      lifetime: () => false,
      isGone: false,
      hasFiles: false
    }
    this.sandboxes.set(sandbox.id, sandbox)
    this.expire(sandbox, lifetime)
    const { fault } = faults.next(key, "death", time.now)
    if (fault?._tag === "Ends") time.after(this.self, fault.after, () => this.end(sandbox))
    if (!owner.isAlive) sandbox.excuse = "crash"
    return Exit.succeed(sandbox)
  }

  private expire(sandbox: CloudSandbox, lifetime: Duration.Duration): void {
    sandbox.lifetime()
    sandbox.lifetime = this.options.time.after(this.self, Duration.toMillis(lifetime), () => {
      this.options.events.onExpired(sandbox)
      this.end(sandbox)
    })
  }

  private end(sandbox: CloudSandbox): void {
    if (sandbox.isGone) return
    sandbox.isGone = true
    sandbox.lifetime()
    this.sandboxes.delete(sandbox.id)
    for (const { lose } of [...sandbox.programs]) lose()
  }

  private destroy(
    owner: SimulatedProcess,
    find: () => CloudSandbox | undefined
  ): Effect.Effect<void, SandboxFailure> {
    const excuse = (why: string) => {
      const sandbox = find()
      if (sandbox) sandbox.excuse = why
    }
    return this.call<void>(owner, "destroy", {
      happen: () => {
        const sandbox = find()
        if (sandbox) this.end(sandbox)
        return Exit.void
      },
      onLost: (_, why) => excuse(why),
      onFault: excuse
    })
  }

  /** A command that runs until it ends, or its sandbox does. The end of the scope does not end it. */
  private run(
    owner: SimulatedProcess,
    sandbox: CloudSandbox,
    command: SandboxCommand
  ): Effect.Effect<CommandEvents, never, Scope.Scope> {
    const follow = (subject: string, events: Mailbox.Mailbox<CommandEvent, SandboxFailure>) => {
      const { faults, time } = this.options
      const fate = faults.next(subject, "start", time.now)
      let isFollowed = true
      const line: Line = {
        command,
        hears: () => isFollowed && owner.isAlive,
        emit: (event) => void events.unsafeOffer(event),
        answer: (exit, delay) => {
          time.after(this.self, delay, () => {
            if (line.hears() && Exit.isSuccess(exit))
              events.unsafeOffer(CommandEvent.Ended({ exit: exit.value }))
            if (line.hears()) events.unsafeDone(Exit.asVoid(exit))
            isFollowed = false
          })
        }
      }
      if (fate.fault !== undefined) sandbox.excuse = fate.key
      this.asked(subject, sandbox, line, fate)
      return () => {
        if (isFollowed && fate.goesOn) sandbox.excuse = "a start that was given up"
        isFollowed = false
      }
    }
    return Effect.tap(Mailbox.make<CommandEvent, SandboxFailure>(), (events) =>
      Effect.acquireRelease(
        Effect.map(FiberRef.get(currentSubject), (subject) => follow(subject, events)),
        (leave) => Effect.sync(leave)
      )
    )
  }

  /** A command is on its way to the sandbox. */
  private asked(subject: string, sandbox: CloudSandbox, line: Line, { answer, delay, fault, goesOn }: Fate) {
    if (fault?._tag === "Refused") return line.answer(Exit.fail(fault.failure), delay + answer)
    if (fault?._tag === "Hangs") return
    const late = fault?._tag === "Late" ? fault.by : 0
    this.options.time.after(this.self, delay + late, () => {
      if (!line.hears() && !goesOn) return
      if (sandbox.isGone) return line.answer(Exit.fail(goneFailure("start")), answer)
      if ("BULKHEAD_LIST" in line.command.env) return this.list(sandbox, line, answer)
      if (fault?._tag !== "AnswerLost") return this.start(subject, sandbox, line)
      line.answer(Exit.fail(fault.failure), answer)
      this.start(subject, sandbox, { ...line, hears: () => false, answer: () => {} })
    })
  }

  /** Holds the files open for as long as it is followed. */
  private list(sandbox: CloudSandbox, line: Line, answer: number): void {
    if (sandbox.hasFiles) this.options.time.after(this.self, answer, () => tell(line, refusedFiles, "stdout"))
    else line.answer(Exit.succeed(nothingListed), answer)
  }

  private start(subject: string, sandbox: CloudSandbox, line: Line): void {
    const { behaviourOf, events, faults, time } = this.options
    const code = line.command.env.BULKHEAD_CODE ?? ""
    const fate = faults.next(subject, "run", time.now)
    const run: ProgramRun = { code, sandbox, startedAt: time.now }
    const voice = MockSupervisor.voice(line.command)
    const stop = () => {
      run.endedAt = time.now
      return sandbox.programs.delete(program)
    }
    sandbox.hasFiles = behaviourOf(code)._tag === "Talks"
    const program: LiveProgram = {
      behaviour: behaviourOf(code),
      end: (exit, reason = "") => {
        if (!stop()) return
        run.exit = exit
        const wallMs = time.now - run.startedAt
        tell(
          line,
          voice.report({
            reason,
            outputs: true,
            status: MockSupervisor.statusOf(exit),
            wallMs,
            clearedMs: wallMs
          })
        )
        if (fate.fault?._tag !== "Mute")
          line.answer(Exit.succeed(voice.isThere ? { exitCode: 0 } : exit), fate.answer)
      },
      lose: () => {
        stop()
        line.answer(Exit.fail(goneFailure("run")), fate.answer)
      }
    }
    sandbox.programs.add(program)
    this.runs.push(run)
    events.onProgramStart(run)
    if (line.hears()) line.emit(CommandEvent.Started({ pid: 4711 }))
    tell(line, voice.started())
    this.behave(program, line, () => sandbox.programs.has(program))
    this.watchOver(program, voice)
    if (fate.fault !== undefined) this.cut(sandbox, line, fate)
  }

  private behave({ behaviour, end }: LiveProgram, line: Line, isRunning: () => boolean): void {
    const later = (after: number, happen: () => void) => this.options.time.after(this.self, after, happen)
    if (behaviour._tag === "Ends") later(behaviour.after, () => end({ exitCode: behaviour.exitCode }))
    if (behaviour._tag === "Crashes") later(behaviour.after, () => end({ signal: "SIGSEGV" }))
    if (behaviour._tag === "Floods") {
      later(behaviour.after, () => tell(line, flood, "stdout"))
    }
    if (behaviour._tag === "Talks") {
      for (let number = 1; number <= behaviour.pieces; number++)
        later(number * behaviour.every, () => isRunning() && tell(line, pieceOf(number), "stdout"))
      later((behaviour.pieces + 1) * behaviour.every, () => end({ exitCode: 0 }))
    }
  }

  /** The supervisor in the sandbox, if there is one, ends what runs too long. */
  private watchOver({ behaviour, end }: LiveProgram, { isThere, limits }: MockSupervisor.Voice): void {
    if (!isThere) return
    const [timeout = 0, grace = 0] = limits
    const [signal, after] =
      behaviour._tag === "Stubborn" ? ["SIGKILL", timeout + grace] : ["SIGTERM", timeout]
    this.options.time.after(this.self, after, () => end({ signal }, "timeout"))
  }

  /** Whoever waits for the program hears no more of it. */
  private cut(sandbox: CloudSandbox, line: Line, { fault, key }: Fate): void {
    sandbox.excuse = key
    if (fault?._tag !== "Ends") return
    this.options.time.after(this.self, fault.after, () => line.answer(Exit.fail(fault.failure), 0))
  }

  /** One call: on its way, then done, then answered; and a fault, or the end of whoever made it, at any of these. */
  private call<A>(
    owner: SimulatedProcess,
    call: Call,
    {
      happen,
      isBounded = false,
      onFault = () => {},
      onLost = () => {}
    }: {
      readonly happen: (fate: Fate) => Answer<A>
      /** It was done, and nobody will ever know. */
      readonly onLost?: (value: A, why: string) => void
      readonly onFault?: (why: string) => void
      /** Whether no answer becomes a failure after a while. */
      readonly isBounded?: boolean
    }
  ): Effect.Effect<A, SandboxFailure> {
    return Effect.flatMap(FiberRef.get(currentSubject), (subject) =>
      Effect.async<A, SandboxFailure>((resume) => {
        const { faults, time } = this.options
        const fate = faults.next(subject, call, time.now)
        const { fault } = fate
        let isWaitedFor = true
        const isHeard = () => isWaitedFor && owner.isAlive
        const answer = (exit: Answer<A>, delay: number) =>
          time.after(this.self, delay, () => {
            if (isHeard()) {
              isWaitedFor = false
              resume(exit)
            } else if (Exit.isSuccess(exit)) onLost(exit.value, "a call that was given up")
          })
        if (fault !== undefined) onFault(fate.key)
        if (isBounded && (fault?._tag === "Hangs" || fault?._tag === "Mute")) {
          answer(Exit.fail(failureOf(call, "ETIMEDOUT")), requestTimeout)
        }
        if (fault?._tag === "Refused") answer(Exit.fail(fault.failure), fate.delay + fate.answer)
        else if (fault?._tag !== "Hangs") {
          time.after(this.self, fate.delay, () => {
            if (!isHeard() && !fate.goesOn) return
            const done = happen(fate)
            if (fault === undefined) {
              answer(done, fate.answer)
              return
            }
            if (Exit.isSuccess(done)) onLost(done.value, fate.key)
            if (fault._tag === "AnswerLost") answer(Exit.fail(fault.failure), fate.answer)
          })
        }
        return Effect.sync(() => {
          isWaitedFor = false
          onFault("a call that was given up")
        })
      })
    )
  }
}
