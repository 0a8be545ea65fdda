import { ErrorCode } from "@bulkhead/domain"
import { Context, Duration, Effect, Layer, Schema, type Scope, type Stream } from "effect"

/** A failure of the infrastructure, never of the program. */
export class SandboxFailure extends Schema.TaggedError<SandboxFailure>()("SandboxFailure", {
  code: ErrorCode,
  /** What was being done. */
  phase: Schema.Literal("create", "renew", "files", "start", "run", "signal", "destroy", "list"),
  message: Schema.String,
  retryable: Schema.Boolean,
  /** Seconds the provider asks us to wait. */
  retryAfter: Schema.optional(Schema.Number),
  /** For the operator's log alone. */
  cause: Schema.optional(Schema.Defect)
}) {
  /** Whether the program may have begun to run before this failure. */
  get mayHaveRun() {
    const answerLost = this.code === "ETIMEDOUT" || this.code === "ECONNRESET"
    return this.phase === "run" || this.phase === "signal" || (this.phase === "start" && answerLost)
  }
}

export interface SandboxOptions {
  /** What the sandbox is tagged with, so that a leaked one can be traced to its execution. */
  readonly metadata: Readonly<Record<string, string>>
  /** The provider itself ends the sandbox after this long: the last wall behind the supervisor and the service. */
  readonly lifetime: Duration.Duration
}

/** A sandbox as its provider lists it. */
export interface ListedSandbox {
  readonly id: string
  readonly metadata: Readonly<Record<string, string>>
}

/** What a sandbox is allotted, and billed by. */
export interface SandboxSize {
  readonly vcpus: number
  readonly memoryMB: number
}

export interface SandboxFile {
  /** Absolute, or relative to the working directory. */
  readonly path: string
  readonly content: Uint8Array
}

export interface SandboxCommand {
  /** A line for `/bin/bash -l -c`. */
  readonly line: string
  /** As whom to run it: the sandbox's user unless told. A provider without root refuses it. */
  readonly user?: "root" | "user"
  readonly env: Readonly<Record<string, string>>
  /** The provider ends the command after this long. */
  readonly lifetime: Duration.Duration
  /** Told when the command runs, with its process id in the sandbox. */
  readonly onStart?: (pid: number) => void
  /** Told of each piece of output as it arrives. Must not throw. */
  readonly onOutput: (stream: "stdout" | "stderr", text: string) => void
}

export interface CommandExit {
  /** Absent: a signal ended the command. */
  readonly exitCode?: number
  /** Like `SIGKILL`. */
  readonly signal?: string
}

/** One sandbox. */
export class Sandbox extends Context.Tag("@bulkhead/sandbox/Sandbox")<
  Sandbox,
  {
    readonly id: string
    readonly size: Effect.Effect<SandboxSize, SandboxFailure>
    /** Lets the sandbox live this long from now. Fails when it no longer lives. */
    readonly renew: (lifetime: Duration.Duration) => Effect.Effect<void, SandboxFailure>
    /** Puts files into the sandbox, owned by its user; makes the directories they need. */
    readonly write: (files: ReadonlyArray<SandboxFile>) => Effect.Effect<void, SandboxFailure>
    /**
     * A file's bytes as they are asked for. Links are followed, and the provider may read as root. Ending the stream early lets go
     * of whatever it held.
     */
    readonly read: (path: string) => Stream.Stream<Uint8Array, SandboxFailure>
    /**
     * Runs a command and waits for its end. Interrupting the wait does not end the command: end it with
     * `signal`, or with the sandbox.
     */
    readonly run: (command: SandboxCommand) => Effect.Effect<CommandExit, SandboxFailure>
    /** Sends a signal to every process of the sandbox's user, whatever its session or parent. */
    readonly signal: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void, SandboxFailure>
    /** Ends the sandbox and all that is in it. Idempotent; succeeds only when the provider says that it is gone. */
    readonly destroy: Effect.Effect<void, SandboxFailure>
  }
>() {
  /** Takes hold of a fresh sandbox: when the scope closes, however it closes, it is destroyed, or given up after 15 seconds. */
  static scoped<E, R>(
    create: Effect.Effect<Context.Tag.Service<Sandbox>, E, R>
  ): Effect.Effect<Context.Tag.Service<Sandbox>, E, R | Scope.Scope> {
    return Effect.acquireRelease(create, closing)
  }

  /** A fresh sandbox of the provider's, for as long as the layer is in scope. */
  static layer(options: SandboxOptions): Layer.Layer<Sandbox, SandboxFailure, SandboxProvider> {
    return Layer.scoped(
      Sandbox,
      Sandbox.scoped(Effect.flatMap(SandboxProvider, ({ create }) => create(options)))
    )
  }
}

/** How long a finalizer may hold up the end of a scope. */
const finalizerBound = Duration.seconds(15)

/** A finalizer is uninterruptible unless it says otherwise, and the bound must be able to interrupt. */
const closing = ({ destroy }: Context.Tag.Service<Sandbox>) =>
  destroy.pipe(
    Effect.ignoreLogged,
    Effect.disconnect,
    Effect.interruptible,
    Effect.timeoutOption(finalizerBound)
  )

/** Where sandboxes come from. */
export class SandboxProvider extends Context.Tag("@bulkhead/sandbox/SandboxProvider")<
  SandboxProvider,
  {
    /** For people: `E2B`, `embedded host`. */
    readonly name: string
    /**
     * A fresh sandbox, which is the caller's to destroy. Call it where nothing can interrupt between its answer and your taking hold of
     * that, as in `Effect.acquireRelease`; a provider that can be interrupted while it waits sees to that itself. It must answer or fail
     * in bounded time: who asks waits for it, since a sandbox may come of it.
     */
    readonly create: (options: SandboxOptions) => Effect.Effect<Context.Tag.Service<Sandbox>, SandboxFailure>
    /** The sandboxes that live now and carry all of these tags. */
    readonly list: (
      metadata: Readonly<Record<string, string>>
    ) => Effect.Effect<ReadonlyArray<ListedSandbox>, SandboxFailure>
    /** Ends a sandbox, whoever made it. Succeeds when it is gone, also if it was gone before. */
    readonly kill: (sandboxId: string) => Effect.Effect<void, SandboxFailure>
  }
>() {}
