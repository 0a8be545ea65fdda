import {
  type CommandExit,
  Sandbox,
  type SandboxCommand,
  type SandboxFailure,
  type SandboxFile,
  type SandboxOptions
} from "@bulkhead/sandbox"
import { CommandExitError, type CommandHandle, Sandbox as SdkSandbox } from "e2b"
import { type Context, Duration, Effect, Layer, Redacted, Schedule } from "effect"
import { E2BConfig } from "./E2BConfig.js"
import { classify } from "./E2BErrors.js"
import * as Signals from "./Signals.js"

/** Destroying is tried this often before it counts as failed. */
const destroyAttempts = Schedule.intersect(Schedule.exponential("100 millis"), Schedule.recurs(3))

/** How long the finalizer may hold up the end of a scope. */
const finalizerBound = Duration.seconds(15)

export const attempt = <A>(phase: SandboxFailure["phase"], call: () => Promise<A>) =>
  Effect.tryPromise({ try: call, catch: classify(phase) })

/** How to reach the provider. */
export const connectionOf = (config: Context.Tag.Service<E2BConfig>) => {
  const { apiUrl, sandboxUrl, domain } = config
  return {
    apiKey: Redacted.value(config.apiKey),
    ...(apiUrl === undefined ? {} : { apiUrl }),
    ...(sandboxUrl === undefined ? {} : { sandboxUrl }),
    ...(domain === undefined ? {} : { domain }),
    requestTimeoutMs: Duration.toMillis(config.requestTimeout)
  }
}

const create = Effect.fn("E2BSandbox.create")(function* ({ metadata, lifetime }: SandboxOptions) {
  const config = yield* E2BConfig
  const { template } = config
  return yield* attempt("create", () =>
    SdkSandbox.create({
      ...connectionOf(config),
      ...(template === undefined ? {} : { template }),
      allowInternetAccess: config.internetAccess,
      metadata: { ...metadata },
      timeoutMs: Duration.toMillis(lifetime)
    })
  )
})

const renew = (sdk: SdkSandbox) =>
  Effect.fn("E2BSandbox.renew")((lifetime: Duration.Duration) =>
    attempt("renew", () => sdk.setTimeout(Duration.toMillis(lifetime)))
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
    ),
    Effect.onInterrupt(() => Effect.ignore(attempt("run", () => handle.disconnect())))
  )

const run = (sdk: SdkSandbox) =>
  Effect.fn("E2BSandbox.run")(function* (command: SandboxCommand) {
    const handle = yield* attempt("start", () =>
      sdk.commands.run(command.line, {
        background: true,
        ...(command.user === "root" ? { user: "root" } : {}),
        envs: { ...command.env },
        timeoutMs: Duration.toMillis(command.lifetime),
        onStdout: (text) => command.onOutput("stdout", text),
        onStderr: (text) => command.onOutput("stderr", text)
      })
    )
    command.onStart?.(handle.pid)
    return yield* waitFor(handle)
  })

/** The SDK's own kill reaches one process; a shell in the sandbox reaches all that its user has, but itself and the first. */
const signal = (sdk: SdkSandbox) =>
  Effect.fn("E2BSandbox.signal")((name: "SIGTERM" | "SIGKILL") =>
    // Its login shell must not read what the program has put into the user's home.
    Effect.asVoid(
      attempt("signal", () =>
        sdk.commands.run(`kill -s ${name.slice(3)} -- -1 || true`, { envs: { HOME: "/" } })
      )
    )
  )

const write = (sdk: SdkSandbox) =>
  Effect.fn("E2BSandbox.write")((files: ReadonlyArray<SandboxFile>) =>
    Effect.asVoid(
      attempt("files", () =>
        sdk.files.write(
          files.map(({ path, content }) => ({ path, data: new Blob([new Uint8Array(content)]) }))
        )
      )
    )
  )

const makeDestroy = (sdk: SdkSandbox) => {
  let destroyed = false
  // An answer of "no such sandbox" is as good: it is gone.
  const kill = attempt("destroy", () => sdk.kill()).pipe(
    Effect.retry({ schedule: destroyAttempts, while: (failure) => failure.retryable }),
    Effect.andThen(() => {
      destroyed = true
    }),
    Effect.withSpan("E2BSandbox.destroy")
  )
  return Effect.suspend(() => (destroyed ? Effect.void : kill))
}

const make = (sdk: SdkSandbox) =>
  Sandbox.of({
    id: sdk.sandboxId,
    renew: renew(sdk),
    write: write(sdk),
    run: run(sdk),
    signal: signal(sdk),
    destroy: makeDestroy(sdk)
  })

/** One sandbox of E2B's, or of a host that speaks its API. However the layer's scope ends, the sandbox is killed. */
export const layer = (options: SandboxOptions): Layer.Layer<Sandbox, SandboxFailure, E2BConfig> =>
  Layer.scoped(
    Sandbox,
    Effect.acquireRelease(Effect.map(create(options), make), (sandbox) =>
      // A finalizer is uninterruptible unless it says otherwise, and the bound must be able to interrupt.
      sandbox.destroy.pipe(
        Effect.ignoreLogged,
        Effect.disconnect,
        Effect.interruptible,
        Effect.timeoutOption(finalizerBound)
      )
    )
  )
