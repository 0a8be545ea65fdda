import type { Artifact, ExecutionId, RejectedArtifact, RejectedCount, UserId } from "@bulkhead/domain"
import type { SecretForms } from "@bulkhead/masking"
import { Context, Effect } from "effect"
import type { LimitValues } from "./Limits.js"
import type { Sandbox } from "./Sandboxes/SandboxProvider.js"

export interface CollectOptions {
  readonly executionId: ExecutionId
  /** Whose artifacts they are. */
  readonly userId: UserId
  readonly sandbox: Context.Tag.Service<Sandbox>
  readonly limits: Pick<LimitValues, "maxArtifactSizeMB" | "maxArtifactsPerExecution">
  /** Relative to the home of the sandbox's user, or `.` for that itself. */
  readonly outputDir: string
  /** Of a directory that is not for artifacts alone, what counts. Absent: everything. */
  readonly only?: OwnFiles
  /** No file that holds any of this is kept, nor is its name told. Absent: there is nothing to hide. */
  readonly hidden?: SecretForms
  /**
   * Told of each file when it is kept or refused, in the order in which what is collected will have those that are kept
   * and those that are refused. What nobody was told of by then is taken from there.
   */
  readonly onFound?: (found: FoundArtifact) => Effect.Effect<void>
}

/** What became of a file. */
export type FoundArtifact = { readonly kept: Artifact } | { readonly refused: RejectedArtifact }

/** Files that a program made or changed, but for hidden ones and caches. */
export interface OwnFiles {
  /** When the program began: microseconds since the epoch, as the sandbox dates its files. */
  readonly since: number
  /** The program's own file, which does not count. */
  readonly program: string
}

/** What came of the files in an output directory. */
export interface CollectedArtifacts {
  readonly artifacts: ReadonlyArray<Artifact>
  /** All, or of very many some for each reason. */
  readonly rejected: ReadonlyArray<RejectedArtifact>
  /** How many there are for each reason. Absent: all of them are named. */
  readonly rejectedCounts?: ReadonlyArray<RejectedCount>
  /** What else there is to say: sentences, without any text of the program's that is not escaped. */
  readonly hints?: ReadonlyArray<string>
}

/** None of the files in an output directory is kept, for this reason. */
export const notCollected = (outputDir: string, why: string): CollectedArtifacts => ({
  artifacts: [],
  rejected: [{ name: outputDir, reason: `Artifact validation failed: ${why}` }]
})

/**
 * Decides which of the files that a program leaves become artifacts of its execution.
 * Default: one that keeps nothing, and says so in the result.
 */
export class ArtifactCollector extends Context.Reference<ArtifactCollector>()(
  "@bulkhead/sandbox/ArtifactCollector",
  {
    defaultValue: (): {
      /**
       * Collects what is in the output directory. Call it when all of the program's processes are dead, and before
       * the sandbox is destroyed; what fails is a rejected entry. May let the sandbox live two and a half minutes
       * from now, to read what there is.
       */
      readonly collect: (options: CollectOptions) => Effect.Effect<CollectedArtifacts>
      /** Removes what was collected for an execution whose result nobody will ever see. */
      readonly forget: (executionId: ExecutionId) => Effect.Effect<void>
      /** Bytes that a user's artifacts take, or all. */
      readonly taken: (userId?: UserId) => Effect.Effect<number>
    } => ({
      collect: ({ outputDir }) => Effect.succeed(notCollected(outputDir, "no artifacts are kept here")),
      forget: () => Effect.void,
      taken: () => Effect.succeed(0)
    })
  }
) {}
