import {
  ErrorCode,
  type Gpus,
  type NetworkMode,
  type NetworkPolicy,
  type NetworkReport
} from "@bulkhead/domain"
import { Context, Data, Duration, Effect, Exit, Layer, Mailbox, Schema, type Scope, Stream } from "effect"
import type { SandboxSecret } from "./SandboxSecret.js"

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
  /**
   * What the sandbox is tagged with, so that a leaked one can be traced to its execution. Any text; the provider's
   * `list` gives it back as it is.
   */
  readonly metadata: Readonly<Record<string, string>>
  /** The provider itself ends the sandbox after this long: the last wall behind the supervisor and the service. */
  readonly lifetime: Duration.Duration
  /**
   * What the sandbox is made from, as the provider knows it; its usual one unless told. One that is not there is a
   * failure that is not retryable.
   */
  readonly template?: string
  /** What its programs may connect to. Absent: whatever the provider's usual sandboxes may. */
  readonly network?: NetworkPolicy
  /**
   * What its programs may use at their hosts without ever having it: values that must be in no log, error or tag.
   * Absent: nothing.
   */
  readonly secrets?: ReadonlyArray<SandboxSecret>
  /** GPUs of this sandbox alone. Absent: none. Only of what the provider says it has. */
  readonly gpus?: Gpus
}

/** What a provider can do with secrets. */
export interface SecretControl {
  /**
   * Why it cannot let programs use these without giving them away, in words for the caller that begin with the field's
   * name and a colon; undefined: it can.
   */
  readonly flawOf: (secrets: ReadonlyArray<SandboxSecret>) => string | undefined
}

/** What a provider can hold sandboxes to of the network. */
export interface NetworkControl {
  /** What its sandboxes have when nobody decides. */
  readonly defaultMode: NetworkMode
  /** Why it cannot hold a sandbox to a policy, in words for the caller; undefined: it can. */
  readonly flawOf: (policy: NetworkPolicy) => string | undefined
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
  /** A `Blob` may lie on disk, and be larger than memory: read it as it is sent, with `stream`. */
  readonly content: Uint8Array | Blob
}

export interface SandboxCommand {
  /** A line for `/bin/bash -l -c`, in the home of who runs it. */
  readonly line: string
  /**
   * As whom to run it: the sandbox's user unless told. A provider without root refuses root with a failure of the
   * phase `start` that is not retryable: by that the service knows.
   */
  readonly user?: "root" | "user"
  readonly env: Readonly<Record<string, string>>
  /** The provider ends the command after this long, and only the command. */
  readonly lifetime: Duration.Duration
}

export interface CommandExit {
  /** 0 to 255. Absent: a signal ended the command. */
  readonly exitCode?: number
  /** Like `SIGKILL`. */
  readonly signal?: string
}

/**
 * What happens to a command: it runs, under this process id; it writes, in UTF-8, of which no character is cut in two;
 * and, as the last, it ends.
 */
export type CommandEvent = Data.TaggedEnum<{
  Started: { readonly pid: number }
  Output: { readonly stream: "stdout" | "stderr"; readonly text: string }
  Ended: { readonly exit: CommandExit }
}>
export const CommandEvent = Data.taggedEnum<CommandEvent>()

/** What happens to a command, to be taken as it comes. */
export type CommandEvents = Mailbox.ReadonlyMailbox<CommandEvent, SandboxFailure>

/** A command that has ended, with all that it wrote. */
export interface CommandOutput {
  readonly stdout: string
  readonly stderr: string
  readonly exit: CommandExit
}

/** How long destroying a sandbox may hold up whoever is done with it. */
const destroyBound = Duration.seconds(10)

/**
 * One sandbox: a Linux system, or what looks like one, in which one program that nobody has read is run.
 *
 * It has `/bin/bash`, coreutils and grep, and the languages that it is to run on the login shell's path. Commands run
 * as a user of the sandbox's own, who is not root, whose home is the working directory and writable, and who has no
 * other processes, since `signal` ends them all. Where there is a root too, that user must be named `user`: as root the
 * supervisor becomes `user`, and without one in `/etc/passwd` no program starts ("the sandbox has no user of its own").
 * A sandbox without root, or in which nothing of ours can be executed, will do, with fewer of the limits enforced; the
 * receipt says which.
 *
 * What goes wrong is a `SandboxFailure` with the phase it happened in, never a defect. Every call answers or fails in
 * bounded time, since the service waits for `create` and `write` as long as they take. `retryable` says whether another
 * sandbox may do better. A failure that is not of the phase `run` or `signal`, nor of `start` with `ETIMEDOUT` or
 * `ECONNRESET`, must mean that the program never ran: it is run again then without asking.
 *
 * `SandboxProviderConformance.suite` of `@bulkhead/testing/conformance` tests what of this can be seen from outside.
 */
export class Sandbox extends Context.Tag("@bulkhead/sandbox/Sandbox")<
  Sandbox,
  {
    /** By which the provider's `list` and `kill` know it. No two sandboxes ever have the same. */
    readonly id: string
    /** What it is billed by. Asked for once, of the sandbox that the toolchain is looked up in: all of one template are of one size. */
    readonly size: Effect.Effect<SandboxSize, SandboxFailure>
    /** Lets the sandbox live this long from now. Fails, in the phase `renew`, when it no longer lives. */
    readonly renew: (lifetime: Duration.Duration) => Effect.Effect<void, SandboxFailure>
    /**
     * Puts files into the sandbox, owned by its user, each in the place of the one before it; makes the directories
     * they need.
     */
    readonly write: (files: ReadonlyArray<SandboxFile>) => Effect.Effect<void, SandboxFailure>
    /**
     * A file's bytes as they are asked for. Links are followed, also those of `/proc/PID/fd`, and the provider may read
     * as root. Fails, in the phase `files`, for what is not there. Ending the stream early lets go of whatever it held.
     */
    readonly read: (path: string) => Stream.Stream<Uint8Array, SandboxFailure>
    /**
     * Runs a command, beside others that run, and tells what happens to it as long as the scope is open: `Started`
     * first, then each `Output` as it comes, whole and in order, and `Ended` as the last. When the sandbox ends under
     * it, the events fail in the phase `run`; in a sandbox that is gone, in the phase `start`. The end of the scope does
     * not end the command: end it with `signal`, or with the sandbox.
     */
    readonly run: (command: SandboxCommand) => Effect.Effect<CommandEvents, SandboxFailure, Scope.Scope>
    /**
     * Sends a signal to every process of the sandbox's user, whatever its session or parent, and to none of root's:
     * the supervisor is to outlive its program. Succeeds once it is sent.
     */
    readonly signal: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void, SandboxFailure>
    /**
     * What its programs try to connect to, from the one on that `from` counts. With `wait` it answers when there is
     * something newer, or after that long. Fails, in the phase `run`, when the sandbox no longer lives. Absent: nobody
     * watches that.
     */
    readonly network?: (
      from: number,
      wait?: Duration.Duration
    ) => Effect.Effect<NetworkReport, SandboxFailure>
    /** Ends the sandbox and all that is in it. Idempotent; succeeds only when the provider says that it is gone. */
    readonly destroy: Effect.Effect<void, SandboxFailure>
  }
>() {
  /** Runs a command, and gives what happens to it as a stream. */
  static events(
    { run }: Pick<Context.Tag.Service<Sandbox>, "run">,
    command: SandboxCommand
  ): Stream.Stream<CommandEvent, SandboxFailure> {
    return Stream.unwrapScoped(Effect.map(run(command), Mailbox.toStream))
  }

  /** Runs a command in the sandbox to its end, and gives all that it wrote: only for commands that write little. */
  static output(command: SandboxCommand): Effect.Effect<CommandOutput, SandboxFailure, Sandbox> {
    const nothing: CommandOutput = { stdout: "", stderr: "", exit: {} }
    return Effect.flatMap(Sandbox, (sandbox) =>
      Stream.runFold(Sandbox.events(sandbox, command), nothing, (sofar, event) => {
        if (event._tag === "Output") return { ...sofar, [event.stream]: sofar[event.stream] + event.text }
        return event._tag === "Ended" ? { ...sofar, exit: event.exit } : sofar
      })
    )
  }

  /** Destroys a sandbox, or gives up after ten seconds. Whether it is known to be gone. */
  static close({ destroy, id }: Context.Tag.Service<Sandbox>): Effect.Effect<boolean> {
    return destroy.pipe(
      Effect.disconnect,
      // A finalizer is uninterruptible, and the bound must be able to interrupt.
      Effect.interruptible,
      Effect.timeout(destroyBound),
      Effect.tapErrorCause((cause) => Effect.logWarning("Sandbox not destroyed", { sandboxId: id }, cause)),
      Effect.exit,
      Effect.map(Exit.isSuccess)
    )
  }

  /**
   * A fresh sandbox that is closed when the scope ends, however it ends. `onClosed` is told whether it is known to be
   * gone.
   */
  static scoped<S extends Context.Tag.Service<Sandbox>, E, R>(
    create: Effect.Effect<S, E, R>,
    onClosed: (sandbox: S, isGone: boolean) => Effect.Effect<void> = () => Effect.void
  ): Effect.Effect<S, E, R | Scope.Scope> {
    return Effect.acquireRelease(create, (sandbox) =>
      Effect.flatMap(Sandbox.close(sandbox), (isGone) => onClosed(sandbox, isGone))
    )
  }

  /** A fresh sandbox of the provider's, for as long as the layer is in scope. */
  static layer(options: SandboxOptions): Layer.Layer<Sandbox, SandboxFailure, SandboxProvider> {
    return Layer.scoped(
      Sandbox,
      Sandbox.scoped(Effect.flatMap(SandboxProvider, ({ create }) => create(options)))
    )
  }
}

/** How a provider is by its own account. */
export interface ProviderHealth {
  /** `recovering`: it is on its way back, and what is asked for waits a little. `down`: no sandbox can be had. */
  readonly state: "up" | "recovering" | "down"
  /** One sentence for everyone, without a path or an address. Present unless it is up. */
  readonly reason?: string
  /** How often the provider has started again what makes its sandboxes. */
  readonly restarts: number
}

const healthy: ProviderHealth = { state: "up", restarts: 0 }

/** Where sandboxes come from: an account of E2B's, a host, a mock. One service uses it from many fibers at once. */
export class SandboxProvider extends Context.Tag("@bulkhead/sandbox/SandboxProvider")<
  SandboxProvider,
  {
    /** For people: `E2B`, `embedded host`. */
    readonly name: string
    /**
     * A fresh sandbox, which is the caller's to destroy. Call it where nothing can interrupt between its answer and
     * your taking hold of that, as in `Effect.acquireRelease`; a provider that can be interrupted while it waits sees
     * to that itself. It must answer or fail in bounded time: who asks waits for it, since a sandbox may come of it.
     */
    readonly create: (options: SandboxOptions) => Effect.Effect<Context.Tag.Service<Sandbox>, SandboxFailure>
    /**
     * The sandboxes that live now and carry all of these tags, each with all the tags that it was created with. Half a
     * list is a failure. What `destroy` or `kill` has ended is no longer listed; what came of a `create` whose answer
     * was lost is listed within a second: by this the service finds what was left behind, and ends it.
     */
    readonly list: (
      metadata: Readonly<Record<string, string>>
    ) => Effect.Effect<ReadonlyArray<ListedSandbox>, SandboxFailure>
    /** Ends a sandbox, whoever made it. Succeeds when it is gone, also if it was gone before. */
    readonly kill: (sandboxId: string) => Effect.Effect<void, SandboxFailure>
    /**
     * For a provider that knows how it is without being asked for a sandbox. Asked before each sandbox, so it must be
     * cheap.
     */
    readonly health?: Effect.Effect<ProviderHealth>
    /** What it can hold sandboxes to of the network. Absent: to no policy, so that none is ever given to `create`. */
    readonly network?: NetworkControl
    /** How it lets programs use secrets. Absent: not at all, so that none is ever given to `create`. */
    readonly secrets?: SecretControl
    /**
     * The GPUs that sandboxes can be given, by their kinds. Absent: none. One sandbox has them to itself, until it is
     * gone.
     */
    readonly gpus?: ReadonlyArray<Gpus>
  }
>() {
  /** How a provider is; up, as far as one tells that does not say. */
  static healthOf({ health }: Context.Tag.Service<SandboxProvider>): Effect.Effect<ProviderHealth> {
    return health ?? Effect.succeed(healthy)
  }
}
