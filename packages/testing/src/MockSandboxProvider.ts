import {
  type CommandExit,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider
} from "@bulkhead/sandbox"
import { Context, Deferred, Effect, Layer, Ref, Stream } from "effect"

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

/** A program that runs. */
interface Running {
  readonly end: Deferred.Deferred<CommandExit, SandboxFailure>
  readonly SIGTERM: Deferred.Deferred<void>
  readonly SIGKILL: Deferred.Deferred<void>
}

const makeRunning = Effect.gen(function* () {
  const running: Running = {
    end: yield* Deferred.make<CommandExit, SandboxFailure>(),
    SIGTERM: yield* Deferred.make<void>(),
    SIGKILL: yield* Deferred.make<void>()
  }
  return running
})

const processOf = (command: SandboxCommand, running: Running): MockProcess => {
  const output = (stream: "stdout" | "stderr") => (text: string) =>
    Effect.sync(() => command.onOutput(stream, text))
  return {
    command,
    stdout: output("stdout"),
    stderr: output("stderr"),
    signalled: (signal) => Deferred.await(running[signal])
  }
}

const makeSandbox = (
  record: MockSandbox,
  behaviour: Ref.Ref<MockBehaviour>,
  onDestroy: Effect.Effect<void>
) => {
  let destroyed = false
  const programs = new Set<Running>()

  const run = Effect.fnUntraced(function* (command: SandboxCommand) {
    const { program } = yield* Ref.get(behaviour)
    const running = yield* makeRunning
    record.commands.push(command)
    programs.add(running)
    command.onStart?.(1000 + record.commands.length)
    return yield* Effect.acquireUseRelease(
      Effect.fork(
        Effect.interruptible(Effect.intoDeferred(program(processOf(command, running)), running.end))
      ),
      () => Deferred.await(running.end),
      (fiber) =>
        Effect.sync(() => {
          programs.delete(running)
          fiber.unsafeInterruptAsFork(fiber.id())
        })
    )
  })

  const signal = Effect.fnUntraced(function* (name: "SIGTERM" | "SIGKILL") {
    yield* (yield* Ref.get(behaviour)).signal
    record.signals.push(name)
    for (const running of programs) {
      yield* Deferred.succeed(running[name], undefined)
      if (name === "SIGKILL") yield* Deferred.succeed(running.end, { signal: name })
    }
  })

  const destroyNow = Effect.gen(function* () {
    yield* (yield* Ref.get(behaviour)).destroy
    if (destroyed) return
    destroyed = true
    for (const { end } of programs) yield* Deferred.fail(end, failure("ECONNRESET", "run"))
    yield* onDestroy
  })
  const destroy = Effect.suspend(() => (destroyed ? Effect.void : destroyNow))

  const write = Effect.fnUntraced(function* (files: ReadonlyArray<SandboxFile>) {
    yield* (yield* Ref.get(behaviour)).write
    record.files.push(...files)
  })

  const renew = () => Effect.suspend(() => (destroyed ? failure("SANDBOX_BUSY", "renew") : Effect.void))

  const read = (path: string) =>
    Stream.unwrap(
      Effect.map(Ref.get(behaviour), ({ read }) => {
        const written = record.files.findLast((file) => file.path === path)
        return written === undefined ? read(path) : Stream.make(written.content)
      })
    )

  const size = Effect.succeed({ vcpus: 2, memoryMB: 512 })

  return Sandbox.of({ id: record.id, size, renew, write, read, run, signal, destroy })
}

const boundedDestroy = ({ destroy }: Context.Tag.Service<Sandbox>) =>
  destroy.pipe(Effect.ignore, Effect.disconnect, Effect.interruptible, Effect.timeoutOption("15 seconds"))

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
    Effect.gen(function* () {
      const behaviour = yield* Ref.make({ ...defaultBehaviour, ...initial })
      const created: Array<MockSandbox> = []
      const live = new Map<string, LiveSandbox>()
      let made = 0
      let peak = 0

      const acquire = Effect.fnUntraced(function* (options: SandboxOptions) {
        yield* (yield* Ref.get(behaviour)).create
        const record = { id: `mock-${++made}`, options, files: [], commands: [], signals: [] }
        created.push(record)
        if (created.length > remembered) created.shift()
        const sandbox = makeSandbox(
          record,
          behaviour,
          Effect.sync(() => live.delete(record.id))
        )
        live.set(record.id, { sandbox, metadata: options.metadata })
        peak = Math.max(peak, live.size)
        return sandbox
      })

      const provider = SandboxProvider.of({
        name: "mock",
        acquire: (options) =>
          Effect.acquireRelease(acquire(options), (sandbox) =>
            Effect.suspend(() => (live.has(sandbox.id) ? boundedDestroy(sandbox) : Effect.void))
          ),
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
        behave: (change) => Ref.update(behaviour, (current) => ({ ...current, ...change }))
      })
      return Context.make(SandboxProvider, provider).pipe(Context.add(MockSandboxes, handle))
    })
  )
