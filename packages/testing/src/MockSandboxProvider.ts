import { type Gpus, imageManifestPath, type NetworkReport } from "@bulkhead/domain"
import {
  CommandEvent,
  type NetworkControl,
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  SandboxProvider,
  type SecretControl
} from "@bulkhead/sandbox"
import { Context, Deferred, type Duration, Effect, Layer, Mailbox, Stream } from "effect"
import { hello, type MockExit, type MockProcess, type MockProgram, type WrittenFile } from "./MockProgram.js"
import * as MockSupervisor from "./MockSupervisor.js"
import * as MockToolchain from "./MockToolchain.js"

export {
  hello,
  type MockExit,
  type MockProcess,
  type MockProgram,
  outOfMemory,
  printing,
  sleeper,
  stubborn,
  type WrittenFile
} from "./MockProgram.js"

type MockCreate = Effect.Effect<void, SandboxFailure>

export interface MockBehaviour {
  /** What every command runs. */
  readonly program: MockProgram
  /** What watches over a program that is to be supervised. */
  readonly supervisor: MockSupervisor.MockSupervisor
  /** What commands run in a sandbox that is made to see what toolchain sandboxes have. */
  readonly toolchain: MockProgram
  /** The templates that there are beside the usual one, each with the text of its image's manifest, if it has one. */
  readonly templates: Readonly<Record<string, string | undefined>>
  /** The GPUs that there are. Laid down when the layer is built. */
  readonly gpus: ReadonlyArray<Gpus>
  /** Runs before a sandbox is created: takes time, or fails. May depend on how many were asked for before. */
  readonly create: MockCreate | ((earlier: number) => MockCreate)
  /** Runs before files are written. */
  readonly write: Effect.Effect<void, SandboxFailure>
  /** What reading a file of a sandbox gives, unless it was written there. */
  readonly read: (path: string) => Stream.Stream<Uint8Array, SandboxFailure>
  /** What a sandbox of a provider that holds to network policies tells of attempts to connect. */
  readonly network: (from: number) => Effect.Effect<NetworkReport, SandboxFailure>
  /** Runs before a signal is delivered. */
  readonly signal: Effect.Effect<void, SandboxFailure>
  /** Runs before a sandbox is destroyed. */
  readonly destroy: Effect.Effect<void, SandboxFailure>
}

const nothingTried: NetworkReport = {
  attempts: [],
  next: 0,
  use: { connections: 0, denied: 0, sentBytes: 0, receivedBytes: 0, missed: 0 }
}

const defaultBehaviour: MockBehaviour = {
  program: hello,
  supervisor: MockSupervisor.watching,
  toolchain: MockToolchain.look,
  templates: {},
  gpus: [],
  create: Effect.void,
  write: Effect.void,
  read: () => Stream.fail(failure("INTERNAL_ERROR", "files", false)),
  network: () => Effect.succeed(nothingTried),
  signal: Effect.void,
  destroy: Effect.void
}

/** A failure of the mock infrastructure. */
export const failure = (
  code: SandboxFailure["code"],
  phase: SandboxFailure["phase"],
  retryable = true
): SandboxFailure => new SandboxFailure({ code, phase, retryable, message: `mock ${phase} failed: ${code}` })

/** Fails to create the first sandboxes, so many of them. */
export const failingFirst =
  (times: number, code: SandboxFailure["code"], retryable = true) =>
  (earlier: number): MockCreate =>
    earlier < times ? failure(code, "create", retryable) : Effect.void

interface MockSandbox {
  readonly id: string
  readonly options: SandboxOptions
  /** All that was written into it, by whomever. */
  readonly files: Array<WrittenFile>
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

const encoder = new TextEncoder()

type Signal = "SIGTERM" | "SIGKILL"

/** A program that runs. */
interface Running {
  readonly command: SandboxCommand
  readonly signals: Readonly<Record<Signal, Deferred.Deferred<void>>>
  /** Fails when the sandbox is gone. */
  readonly lost: Deferred.Deferred<never, SandboxFailure>
}

const makeRunning = (command: SandboxCommand): Effect.Effect<Running> =>
  Effect.all({
    command: Effect.succeed(command),
    signals: Effect.all({ SIGTERM: Deferred.make<void>(), SIGKILL: Deferred.make<void>() }),
    lost: Deferred.make<never, SandboxFailure>()
  })

const processOf = (
  command: SandboxCommand,
  files: Array<WrittenFile>,
  { signals }: Running,
  tell: (event: CommandEvent) => Effect.Effect<unknown>
): MockProcess => {
  const output = (stream: "stdout" | "stderr") => (text: string) =>
    Effect.asVoid(tell(CommandEvent.Output({ stream, text })))
  return {
    command,
    files: Effect.sync(() => [...files]),
    write: (path, text) => Effect.sync(() => void files.push({ path, content: encoder.encode(text) })),
    stdout: output("stdout"),
    stderr: output("stderr"),
    signalled: (signal) => Deferred.await(signals[signal])
  }
}

/** Ends a program at SIGKILL, whatever it does. */
const mortal =
  (program: MockProgram): MockProgram =>
  (process) =>
    Effect.raceFirst(
      Effect.disconnect(program(process)),
      Effect.as(process.signalled("SIGKILL"), { signal: "SIGKILL" })
    )

const manifestOf = ({ template = "" }: SandboxOptions, { templates }: MockBehaviour) =>
  Object.hasOwn(templates, template) ? templates[template] : undefined

/** What a command runs: the program, under the supervisor if that is what it starts. */
const programOf = (
  command: SandboxCommand,
  options: SandboxOptions,
  behaviour: MockBehaviour
): MockProgram => {
  const { program, supervisor, toolchain } = behaviour
  if (options.metadata.purpose === "toolchain")
    return mortal(
      manifestOf(options, behaviour) === undefined ? toolchain : MockToolchain.withManifest(toolchain)
    )
  return MockSupervisor.voice(command).isThere ? supervisor(mortal(program)) : mortal(program)
}

/** Signals go to the sandbox's user, whose are all programs that are supervised, and who cannot reach root's. */
const isReached = (command: SandboxCommand) =>
  command.user !== "root" || MockSupervisor.voice(command).isThere

const written = ({ content, path }: SandboxFile): Effect.Effect<WrittenFile> =>
  content instanceof Blob
    ? Effect.map(
        Effect.promise(() => content.arrayBuffer()),
        (bytes) => ({ path, content: new Uint8Array(bytes) })
      )
    : Effect.succeed({ path, content })

const makeSandbox = (record: MockSandbox, behaviour: () => MockBehaviour, onDestroy: () => void) => {
  let destroyed = false
  const programs = new Set<Running>()

  const run = (command: SandboxCommand) =>
    Effect.gen(function* () {
      if (destroyed) return yield* failure("ECONNREFUSED", "start")
      const events = yield* Mailbox.make<CommandEvent, SandboxFailure>()
      const running = yield* makeRunning(command)
      record.commands.push(command)
      programs.add(running)
      yield* events.offer(CommandEvent.Started({ pid: 1000 + record.commands.length }))
      const program = programOf(command, record.options, behaviour())
      const process = processOf(command, record.files, running, (event) => events.offer(event))
      // It goes on whether or not anybody follows it.
      yield* Effect.raceFirst(program(process), Deferred.await(running.lost)).pipe(
        Effect.flatMap(({ report: _, ...exit }: MockExit) => events.offer(CommandEvent.Ended({ exit }))),
        Effect.ensuring(Effect.sync(() => programs.delete(running))),
        Mailbox.into(events),
        Effect.forkDaemon
      )
      return events
    })

  const signal = (name: Signal) =>
    Effect.gen(function* () {
      yield* behaviour().signal
      record.signals.push(name)
      for (const { command, signals } of programs)
        if (isReached(command)) yield* Deferred.succeed(signals[name], undefined)
    })

  const destroy = Effect.gen(function* () {
    if (destroyed) return
    yield* behaviour().destroy
    destroyed = true
    for (const { lost } of programs) yield* Deferred.fail(lost, failure("ECONNRESET", "run"))
    onDestroy()
  })

  const write = (files: ReadonlyArray<SandboxFile>) =>
    Effect.suspend(() => behaviour().write).pipe(
      Effect.zipRight(Effect.forEach(files, written)),
      Effect.andThen((all) => {
        record.files.push(...all)
      })
    )

  const renew = () => Effect.suspend(() => (destroyed ? failure("SANDBOX_BUSY", "renew") : Effect.void))

  const read = (path: string) =>
    Stream.suspend(() => {
      const written = record.files.findLast((file) => file.path === path)
      if (written !== undefined) return Stream.make(written.content)
      const manifest = path === imageManifestPath ? manifestOf(record.options, behaviour()) : undefined
      return manifest === undefined ? behaviour().read(path) : Stream.make(encoder.encode(manifest))
    })

  const size = Effect.succeed(MockToolchain.size)

  /** Who waits for something new is told of nothing once that time is over. */
  const network = (from: number, wait?: Duration.Duration) =>
    Effect.flatMap(
      Effect.suspend(() => behaviour().network(from)),
      (report) =>
        wait === undefined || report.attempts.length > 0
          ? Effect.succeed(report)
          : Effect.delay(Effect.succeed(report), wait)
    )

  const isWatched = record.options.network !== undefined
  return Sandbox.of({
    ...{ id: record.id, size, renew, write, read, run, signal, destroy },
    ...(isWatched && { network })
  })
}

export interface MockOptions {
  /** Sandboxes that `created` tells of: the latest. All of them unless told. */
  readonly remembered?: number
  /** What it can hold sandboxes to of the network. To no policy unless told. */
  readonly network?: NetworkControl
  /** How it lets programs use secrets. Not at all unless told. */
  readonly secrets?: SecretControl
}

/**
 * A `SandboxProvider` without sandboxes, and the handle by which a test steers and watches it. Its sandboxes and their
 * commands live until they are ended, whatever their lifetime.
 */
export const layer = (
  initial: Partial<MockBehaviour> = {},
  { network, remembered = Number.POSITIVE_INFINITY, secrets }: MockOptions = {}
): Layer.Layer<SandboxProvider | MockSandboxes> =>
  Layer.effectContext(
    Effect.sync(() => {
      let behaviour: MockBehaviour = { ...defaultBehaviour, ...initial }
      const created: Array<MockSandbox> = []
      const live = new Map<string, LiveSandbox>()
      let asked = 0
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
        ...(network && { network }),
        ...(secrets && { secrets }),
        gpus: behaviour.gpus,
        create: (options) =>
          Effect.suspend(() => {
            const { create, templates } = behaviour
            const { template } = options
            if (template !== undefined && !Object.hasOwn(templates, template))
              return failure("INTERNAL_ERROR", "create", false)
            const earlier = asked++
            return Effect.isEffect(create) ? create : create(earlier)
          }).pipe(Effect.map(() => make(options))),
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
