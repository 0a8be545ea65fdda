import type { CommandExit, GuestReport, SandboxCommand, SandboxFailure } from "@bulkhead/sandbox"
import { Effect } from "effect"

/** A file that was written into a sandbox. */
export interface WrittenFile {
  readonly path: string
  readonly content: Uint8Array
}

/** What a mock program can do while it runs. */
export interface MockProcess {
  readonly command: SandboxCommand
  /** What was written into its sandbox by now. */
  readonly files: Effect.Effect<ReadonlyArray<WrittenFile>>
  /** Puts a text into its sandbox, for whoever reads it there. */
  readonly write: (path: string, text: string) => Effect.Effect<void>
  readonly stdout: (text: string) => Effect.Effect<void>
  readonly stderr: (text: string) => Effect.Effect<void>
  /** Waits for the first signal of this kind. */
  readonly signalled: (signal: "SIGTERM" | "SIGKILL") => Effect.Effect<void>
}

/** How a mock program ended. */
export interface MockExit extends CommandExit {
  /** What a supervisor in its sandbox sees of it beside that, where there is one. */
  readonly report?: Partial<GuestReport>
}

/** How a mock program behaves. SIGKILL, and the end of its sandbox, end it whatever it does. */
export type MockProgram = (process: MockProcess) => Effect.Effect<MockExit, SandboxFailure>

/** Prints this and exits, with 0 unless told. */
export const printing =
  (text: string, exitCode = 0): MockProgram =>
  (process) =>
    Effect.as(process.stdout(text), { exitCode })

/** Prints a greeting and exits with 0. */
export const hello: MockProgram = printing("Hello, World!\n")

/** Ends at SIGTERM, as a program does that knows no better. */
export const sleeper: MockProgram = (process) =>
  Effect.as(process.signalled("SIGTERM"), { signal: "SIGTERM" })

/** Ends at SIGKILL alone. */
export const stubborn: MockProgram = () => Effect.never

/** Is killed by the kernel for the memory that it takes, 2 GiB. Without a supervisor nobody knows what for. */
export const outOfMemory: MockProgram = () =>
  Effect.succeed({ signal: "SIGKILL", report: { oomKills: 1, peakBytes: 2_147_483_648 } })
