import {
  CommandEvent,
  type CommandExit,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider
} from "@bulkhead/sandbox"
import { Context, Deferred, Effect, Layer, Mailbox, Stream } from "effect"

/** What a mock program can do while it runs. */
export interface MockProcess {
  readonly command: SandboxCommand
  readonly stdout: (text: string) => Effect.Effect<void>
  readonly stderr: (text: string) => Effect.Effect<void>
  /** Waits for the first signal of this kind. */
  readonly signalled: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void>
}

/** How a mock program behaves. SIGKILL, and the end of its sandbox, end it whatever it does. */
export type MockProgram = (process: MockProcess) => Effect.Effect<CommandExit, SandboxFailure>

export interface MockBehaviour {
  /** What every command runs, unless `program` says otherwise. */
  readonly program: MockProgram
  /** Runs before a sandbox is created: takes time, or fails. */
  readonly create: Effect.Effect<void, SandboxFailure>
  /** Runs before files are written. */
  readonly write: Effect.Effect<void, SandboxFailure>
  /** What reading a file of a sandbox gives, unless it was written there. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, SandboxFailure>
  /** Runs before a signal is delivered. */
  readonly signal: Effect.Effect<void, SandboxFailure>
  /** Runs before a sandbox is destroyed. */
  readonly destroy: Effect.Effect<void, SandboxFailure>
}

/** Prints a greeting and exits with 0. */
export const hello: MockProgram = (process) => Effect.as(process.stdout("Hello, World!\n"), { exitCode: 0 })

/** Ends at SIGTERM, as a program does that knows no better. */
export const sleeper: MockProgram = (process) =>
  Effect.as(process.signalled("SIGTERM"), { signal: "SIGTERM" })

/** Ends at SIGKILL alone. */
export const stubborn: MockProgram = () => Effect.never

const defaultBehaviour: MockBehaviour = {
  program: hello,
  create: Effect.void,
  write: Effect.void,
  read: () => Stream.fail(failure("INTERNAL_ERROR", "files", false)),
  signal: Effect.void,
  destroy: Effect.void
}

/** A failure of the mock infrastructure. */
export const failure = (
  code: SandboxFailure["code"],
  phase: SandboxFailure["phase"],
  retryable = true
): SandboxFailure => new SandboxFailure({ code, phase, retryable, message: `mock ${phase} failed: ${code}` })

interface MockSandbox {
  readonly id: string
  readonly options: SandboxOptions
  readonly files: Array<SandboxFile>
  readonly commands: Array<SandboxCommand>
  readonly signals: Array<string>
}

interface LiveSandbox {
  readonly sandbox: Context.Tag.Service<Sandbox>
  readonly metadata: SandboxOptions["metadata"]
}

/** Sandboxes that exist in memory only. */
export class MockSandboxes extends Context.Tag("@bulkhead/testing/MockSandboxes")<
  MockSandboxes,
  {
    /** The sandboxes that were created, in order: every one, unless the layer was told to remember fewer. */
    readonly created: Effect.Effect<ReadonlyArray<MockSandbox>>
    /** Sandboxes that were created and not yet destroyed. */
    readonly alive: Effect.Effect<number>
    /** The most sandboxes that were ever alive at once. */
    readonly peak: Effect.Effect<number>
    /** Changes how sandboxes behave from now on. */
    readonly behave: (behaviour: Partial<MockBehaviour>) => Effect.Effect<void>
  }
>() {}

type Signal = "SIGTERM" | "SIGKILL"

/** A program that runs. */
interface Running {
  readonly signals: Readonly<Record<Signal, Deferred.Deferred<void>>>
  /** Fails when the sandbox is gone. */
  readonly lost: Deferred.Deferred<never, SandboxFailure>
}

const makeRunning: Effect.Effect<Running> = Effect.all({
  signals: Effect.all({ SIGTERM: Deferred.make<void>(), SIGKILL: Deferred.make<void>() }),
  lost: Deferred.make<never, SandboxFailure>()
})

const processOf = (
  command: SandboxCommand,
  { signals }: Running,
  tell: (event: CommandEvent) => Effect.Effect<unknown>
): MockProcess => {
  const output = (stream: "stdout" | "stderr") => (text: string) =>
    Effect.asVoid(tell(CommandEvent.Output({ stream, text })))
  return {
    command,
    stdout: output("stdout"),
    stderr: output("stderr"),
    signalled: (signal) => Deferred.await(signals[signal])
  }
}

/** Runs a program to its end, its SIGKILL or the end of its sandbox, whichever comes first. */
const live = (program: Effect.Effect<CommandExit, SandboxFailure>, { lost, signals }: Running) =>
  Effect.disconnect(program).pipe(
    Effect.raceFirst(Effect.as(Deferred.await(signals.SIGKILL), { signal: "SIGKILL" })),
    Effect.raceFirst(Deferred.await(lost))
  )

const makeSandbox = (record: MockSandbox, behaviour: () => MockBehaviour, onDestroy: () => void) => {
  let destroyed = false
  const programs = new Set<Running>()

  const run = (command: SandboxCommand) =>
    Effect.gen(function* () {
      if (destroyed) return yield* failure("ECONNREFUSED", "start")
      const events = yield* Mailbox.make<CommandEvent, SandboxFailure>()
      const running = yield* makeRunning
      record.commands.push(command)
      programs.add(running)
      yield* events.offer(CommandEvent.Started({ pid: 1000 + record.commands.length }))
      const program = behaviour().program(processOf(command, running, (event) => events.offer(event)))
      // It goes on whether or not anybody follows it.
      yield* live(program, running).pipe(
        Effect.flatMap((exit) => events.offer(CommandEvent.Ended({ exit }))),
        Effect.ensuring(Effect.sync(() => programs.delete(running))),
        Mailbox.into(events),
        Effect.forkDaemon
      )
      return Mailbox.toStream(events)
    }).pipe(Stream.unwrap)

  const signal = (name: Signal) =>
    Effect.gen(function* () {
      yield* behaviour().signal
      record.signals.push(name)
      for (const { signals } of programs) yield* Deferred.succeed(signals[name], undefined)
    })

  const destroy = Effect.gen(function* () {
    if (destroyed) return
    yield* behaviour().destroy
    destroyed = true
    for (const { lost } of programs) yield* Deferred.fail(lost, failure("ECONNRESET", "run"))
    onDestroy()
  })

  const write = (files: ReadonlyArray<SandboxFile>) =>
    Effect.suspend(() => Effect.map(behaviour().write, () => void record.files.push(...files)))

  const renew = () => Effect.suspend(() => (destroyed ? failure("SANDBOX_BUSY", "renew") : Effect.void))

  const read = (path: string) =>
    Stream.suspend(() => {
      const written = record.files.findLast((file) => file.path === path)
      return written === undefined ? behaviour().read(path) : Stream.make(written.content)
    })

  const size = Effect.succeed({ vcpus: 2, memoryMB: 512 })

  return Sandbox.of({ id: record.id, size, renew, write, read, run, signal, destroy })
}

export interface MockOptions {
  /** Sandboxes that `created` tells of: the latest. All of them unless told. */
  readonly remembered?: number
}

/** A `SandboxProvider` without sandboxes, and the handle by which a test steers and watches it. */
export const layer = (
  initial: Partial<MockBehaviour> = {},
  { remembered = Number.POSITIVE_INFINITY }: MockOptions = {}
): Layer.Layer<SandboxProvider | MockSandboxes> =>
  Layer.effectContext(
    Effect.sync(() => {
      let behaviour: MockBehaviour = { ...defaultBehaviour, ...initial }
      const created: Array<MockSandbox> = []
      const live = new Map<string, LiveSandbox>()
      let made = 0
      let peak = 0

      const make = (options: SandboxOptions) => {
        const record = { id: `mock-${++made}`, options, files: [], commands: [], signals: [] }
        created.push(record)
        if (created.length > remembered) created.shift()
        const sandbox = makeSandbox(
          record,
          () => behaviour,
          () => live.delete(record.id)
        )
        live.set(record.id, { sandbox, metadata: options.metadata })
        peak = Math.max(peak, live.size)
        return sandbox
      }

      const provider = SandboxProvider.of({
        name: "mock",
        create: (options) => Effect.suspend(() => Effect.map(behaviour.create, () => make(options))),
        list: (wanted) =>
          Effect.sync(() =>
            [...live]
              .filter(([, { metadata }]) =>
                Object.entries(wanted).every(([tag, value]) => metadata[tag] === value)
              )
              .map(([id, { metadata }]) => ({ id, metadata }))
          ),
        kill: (sandboxId) => live.get(sandboxId)?.sandbox.destroy ?? Effect.void
      })
      const handle = MockSandboxes.of({
        created: Effect.sync(() => [...created]),
        alive: Effect.sync(() => live.size),
        peak: Effect.sync(() => peak),
        behave: (change) =>
          Effect.sync(() => {
            behaviour = { ...behaviour, ...change }
          })
      })
      return Context.make(SandboxProvider, provider).pipe(Context.add(MockSandboxes, handle))
    })
  )
