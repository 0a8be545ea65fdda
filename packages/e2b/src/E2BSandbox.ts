import { formatTraceParent, gpuTag, noNetwork, toGpuTag } from "@bulkhead/domain"
import {
  CommandEvent,
  type CommandExit,
  Sandbox,
  type SandboxCommand,
  type SandboxFailure,
  type SandboxFile,
  type SandboxOptions,
  type SandboxSize
} from "@bulkhead/sandbox"
import { CommandExitError, type CommandHandle, SandboxError, Sandbox as SdkSandbox } from "e2b"
import {
  Array as Arr,
  type Context,
  Duration,
  Effect,
  Layer,
  Mailbox,
  Option,
  Redacted,
  Schedule,
  Stream
} from "effect"
import { E2BConfig } from "./E2BConfig.js"
import { classify } from "./E2BErrors.js"
import * as FileForm from "./FileForm.js"
import * as NetworkReports from "./NetworkReports.js"
import * as NetworkWire from "./NetworkWire.js"
import * as SecretRules from "./SecretRules.js"
import * as Signals from "./Signals.js"
import * as Wire from "./Wire.js"

/** Destroying is tried this often before it counts as failed. */
const destroyAttempts = Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(3))

type Phase = SandboxFailure["phase"]
type Config = Context.Tag.Service<E2BConfig>

/** A call whose request ends when nobody waits for its answer any more. */
const attempt = <A>(phase: Phase, call: (signal: AbortSignal) => Promise<A>) =>
  Effect.tryPromise({ try: (signal) => call(signal), catch: classify(phase) })

/** Knows more of a failure than the SDK tells, by watching the call's requests, which belong to the current span. */
const watched = <A>({ sendsTraceParent }: Config, phase: Phase, mark: Wire.Mark, call: () => Promise<A>) =>
  Effect.flatMap(Effect.option(Effect.currentParentSpan), (span) =>
    Wire.watching(
      sendsTraceParent && Option.isSome(span) && span.value.sampled
        ? { ...mark, traceparent: formatTraceParent(span.value) }
        : mark,
      (seen) => Effect.tryPromise({ try: call, catch: (error) => classify(phase, seen())(error) })
    )
  )

/** A call to the control plane. Its requests carry a header of their own, by which they are watched. */
export const attemptApi = <A>(
  config: Config,
  phase: Phase,
  call: (options: { readonly apiHeaders: Record<string, string> }) => Promise<A>
) =>
  Effect.suspend(() => {
    const header = globalThis.crypto.randomUUID()
    return watched(config, phase, { header }, () => call({ apiHeaders: { "X-Request-Id": header } }))
  })

/** Requests that start a process, in the sandbox. */
const startPath = "/process.Process/Start"

/** A sandbox starts one program at a time, so its id tells whose request it is. */
const attemptStart = <A>(config: Config, { sandboxId }: SdkSandbox, call: () => Promise<A>) =>
  watched(config, "start", { header: sandboxId, path: startPath }, call)

/** How to reach the provider. */
export const connectionOf = (config: Config) => {
  const { apiUrl, sandboxUrl, domain } = config
  return {
    apiKey: Redacted.value(config.apiKey),
    apiUrl,
    domain,
    ...(sandboxUrl === undefined ? {} : { sandboxUrl }),
    // With E2B_DEBUG in the environment, the SDK would only pretend to kill.
    debug: false,
    requestTimeoutMs: Duration.toMillis(config.requestTimeout),
    // Whoever calls us retries; the SDK beneath must not do so too.
    retries: 0
  }
}

/** The same, with the secrets that the sandbox's programs may use. */
const withSecrets = (
  config: Config,
  options: ReturnType<typeof NetworkWire.optionsOf>,
  secrets: SandboxOptions["secrets"]
) => {
  if (secrets === undefined) return options
  const network = "network" in options ? options.network : {}
  return { ...options, network: { ...network, rules: SecretRules.rulesOf(config.network, secrets) } }
}

const createSdk = Effect.fn("E2BSandbox.create")(function* ({
  gpus,
  lifetime,
  metadata,
  ...asked
}: SandboxOptions) {
  const config = yield* E2BConfig
  const template = asked.template ?? config.template
  return yield* attemptApi(config, "create", (options) =>
    SdkSandbox.create({
      ...connectionOf(config),
      ...options,
      ...(template === undefined ? {} : { template }),
      ...(asked.network === undefined
        ? { allowInternetAccess: config.internetAccess }
        : withSecrets(config, NetworkWire.optionsOf(asked.network), asked.secrets)),
      metadata: { ...metadata, ...(gpus && { [gpuTag]: toGpuTag(gpus) }) },
      timeoutMs: Duration.toMillis(lifetime)
    })
  )
})

const size = (config: Config, sandboxId: string) =>
  attemptApi(config, "list", (options) =>
    SdkSandbox.getInfo(sandboxId, { ...connectionOf(config), ...options })
  ).pipe(
    Effect.map(({ cpuCount, memoryMB }): SandboxSize => ({ vcpus: cpuCount, memoryMB })),
    Effect.withSpan("E2BSandbox.size")
  )

const renew = Effect.fn("E2BSandbox.renew")(
  (config: Config, sandboxId: string, lifetime: Duration.Duration) =>
    attemptApi(config, "renew", (options) =>
      SdkSandbox.setTimeout(sandboxId, Duration.toMillis(lifetime), { ...connectionOf(config), ...options })
    )
)

const exitOf = ({
  exitCode,
  error
}: {
  readonly exitCode: number
  readonly error?: string | undefined
}): CommandExit => {
  const signal = error === undefined ? undefined : Signals.ofStatus(error)
  return signal === undefined ? { exitCode } : { signal }
}

const waitFor = (handle: CommandHandle) =>
  Effect.tryPromise({ try: () => handle.wait(), catch: (error) => error }).pipe(
    Effect.map(exitOf),
    Effect.catchAll((error) =>
      error instanceof CommandExitError ? Effect.succeed(exitOf(error)) : Effect.fail(classify("run")(error))
    )
  )

/** A request's signal, which ends the request with the scope, answered or not. */
const scopedSignal = Effect.acquireRelease(
  Effect.sync(() => new AbortController()),
  (request) => Effect.sync(() => request.abort())
).pipe(Effect.map(({ signal }) => signal))

/**
 * What happens to a command, told as the SDK hears of it, so into a queue. It may hear of output before its caller
 * knows that the command has started, which has to come first.
 */
const makeEvents = Effect.map(Mailbox.make<CommandEvent, SandboxFailure>(), (mailbox) => {
  let early: Array<CommandEvent> | undefined = []
  const started = (pid: number) => {
    mailbox.unsafeOfferAll([CommandEvent.Started({ pid }), ...(early ?? [])])
    early = undefined
  }
  const output = (stream: "stdout" | "stderr") => (text: string) => {
    const event = CommandEvent.Output({ stream, text })
    if (early === undefined) mailbox.unsafeOffer(event)
    else early.push(event)
  }
  return { mailbox, started, output }
})

type Events = Effect.Effect.Success<typeof makeEvents>

const start = (config: Config, sdk: SdkSandbox, command: SandboxCommand, { output, started }: Events) =>
  Effect.flatMap(scopedSignal, (signal) =>
    attemptStart(config, sdk, () =>
      sdk.commands.run(command.line, {
        background: true,
        ...(command.user === "root" ? { user: "root" } : {}),
        envs: { ...command.env },
        // E2B refuses to start a command with a fraction of a millisecond.
        timeoutMs: Math.ceil(Duration.toMillis(command.lifetime)),
        onStdout: output("stdout"),
        onStderr: output("stderr"),
        signal
      })
    )
  ).pipe(Effect.tap(({ pid }) => started(pid)))

const run = Effect.fn("E2BSandbox.run")(function* (config: Config, sdk: SdkSandbox, command: SandboxCommand) {
  const events = yield* makeEvents
  const handle = yield* start(config, sdk, command, events)
  yield* waitFor(handle).pipe(
    Effect.flatMap((exit) => events.mailbox.offer(CommandEvent.Ended({ exit }))),
    Mailbox.into(events.mailbox),
    Effect.forkScoped
  )
  return events.mailbox
})

/** A supervisor clears up as soon as the program has ended, and takes the shell along before it could say so. */
const shellWasKilled = ({ cause }: SandboxFailure) =>
  cause instanceof CommandExitError && exitOf(cause).signal === "SIGKILL"

/**
 * The SDK's own kill reaches one process; a shell in the sandbox reaches all that its user has, but itself and the
 * first.
 */
const signal = Effect.fn("E2BSandbox.signal")((sdk: SdkSandbox, name: "SIGTERM" | "SIGKILL") =>
  // Its login shell must not read what the program has put into the user's home.
  attempt("signal", (signal) =>
    sdk.commands.run(`kill -s ${name.slice(3)} -- -1 || true`, { envs: { HOME: "/" }, signal })
  ).pipe(
    Effect.retry({ while: shellWasKilled, schedule: Schedule.spaced("50 millis"), times: 3 }),
    Effect.asVoid
  )
)

/** E2B takes a tilde at the beginning of a path for a home, and none of the paths here means one. */
const literal = (path: string) => (path.startsWith("~") ? `./${path}` : path)

/** Files that are in memory, some at a time, so that each request is answered in time. */
const writeSmall = (sdk: SdkSandbox, files: ReadonlyArray<SandboxFile>) =>
  Effect.forEach(
    Arr.chunksOf(files, FileForm.filesAtOnce),
    (some) =>
      attempt("files", (signal) =>
        sdk.files.write(
          some.map((file) => ({ path: file.path, data: FileForm.blobOf(file) })),
          { signal }
        )
      ),
    { discard: true }
  )

const write = Effect.fn("E2BSandbox.write")(
  (sdk: SdkSandbox, config: Config, given: ReadonlyArray<SandboxFile>) => {
    const files = given.map((file) => ({ ...file, path: literal(file.path) }))
    return files.some((file) => file.content instanceof Blob || !FileForm.isPlain(file))
      ? FileForm.send(sdk, files, config)
      : writeSmall(sdk, files)
  }
)

/** Whatever ends the stream ends its request too, since all sandboxes share ten connections for files. */
const read = (sdk: SdkSandbox, path: string) =>
  scopedSignal.pipe(
    Effect.flatMap((signal) =>
      attempt("files", () => sdk.files.read(literal(path), { format: "stream", signal })).pipe(
        Effect.withSpan("E2BSandbox.read")
      )
    ),
    Effect.map((body) =>
      Stream.fromReadableStream({ evaluate: () => body, onError: classify("files"), releaseLockOnEnd: true })
    ),
    Stream.unwrapScoped
  )

const isGone = ({ cause }: SandboxFailure) => cause instanceof SandboxError && cause.statusCode === 404

/** Ends a sandbox. An answer of "no such sandbox" is as good, in whatever words: it is gone. */
export const kill = (config: Config, sandboxId: string) =>
  attemptApi(config, "destroy", (options) =>
    SdkSandbox.kill(sandboxId, { ...connectionOf(config), ...options })
  ).pipe(
    Effect.asVoid,
    Effect.catchIf(isGone, () => Effect.void)
  )

/** Ends a sandbox, once. */
const destroy = (config: Config, sandboxId: string) => {
  let isGone = false
  const destroyNow = kill(config, sandboxId).pipe(
    Effect.retry({ schedule: destroyAttempts, while: (failure) => failure.retryable }),
    Effect.andThen(() => {
      isGone = true
    }),
    Effect.withSpan("E2BSandbox.destroy")
  )
  return Effect.suspend(() => (isGone ? Effect.void : destroyNow))
}

/** A fresh sandbox of E2B's, or of a host that speaks its API. It is the caller's to destroy. */
export const create = Effect.fnUntraced(function* (options: SandboxOptions) {
  const config = yield* E2BConfig
  const sdk = yield* createSdk(options)
  const isWatched = config.network === "embedded" && (options.network ?? noNetwork).mode !== "off"
  return Sandbox.of({
    id: sdk.sandboxId,
    size: size(config, sdk.sandboxId),
    renew: (lifetime) => renew(config, sdk.sandboxId, lifetime),
    write: (files) => write(sdk, config, files),
    read: (path) => read(sdk, path),
    run: (command) => run(config, sdk, command),
    signal: (name) => signal(sdk, name),
    ...(isWatched && { network: NetworkReports.reporter(config, sdk.sandboxId) }),
    destroy: destroy(config, sdk.sandboxId)
  })
})

/** The same as a layer. However the layer's scope ends, the sandbox is killed. */
export const layer = (options: SandboxOptions): Layer.Layer<Sandbox, SandboxFailure, E2BConfig> =>
  Layer.scoped(Sandbox, Sandbox.scoped(create(options)))
