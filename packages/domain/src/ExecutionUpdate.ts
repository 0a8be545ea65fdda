import { Schema } from "effect"
import { Artifact, RejectedArtifact } from "./Artifact.js"
import { ExecutionId } from "./ExecutionId.js"
import { ExecutionResult } from "./ExecutionResult.js"
import { Verdict } from "./Verdict.js"

/**
 * How far a reader of an execution's updates has come, to be given back as it is by who reads on. Six counters, none
 * of which ever goes back while the first stays: the attempt, other updates, bytes of stdout and of stderr, files that
 * were kept and that were refused. `end` is the last update's and comes after all others.
 */
export const UpdateId = Schema.String.pipe(
  Schema.pattern(/^(end|\d{1,4}-\d{1,9}-\d{1,15}-\d{1,15}-\d{1,4}-\d{1,4})$/, {
    message: () => "expected the id of an update, like 0-1-0-0-0-0"
  }),
  Schema.brand("UpdateId")
)
export type UpdateId = typeof UpdateId.Type

const update = <Type extends string, Fields extends Schema.Struct.Fields>(type: Type, fields: Fields) =>
  Schema.Struct({ type: Schema.Literal(type), id: UpdateId, ...fields })

/** Waits for its turn. */
export const QueuedUpdate = update("queued", {
  executionId: ExecutionId,
  /** How many of those who wait may have their turn before it, at most. */
  ahead: Schema.Number
})

/** Has its turn; its sandbox is asked for. */
export const StartedUpdate = update("started", { executionId: ExecutionId })

const output = {
  /** Of the first byte of the text in what came of this stream in this attempt, in bytes of UTF-8. */
  offset: Schema.NonNegativeInt,
  text: Schema.String
}

/**
 * What the program wrote to its standard output. Every byte comes once and in order, and a text is never cut within a
 * character. Bytes that are no UTF-8 come as U+FFFD, three bytes each; offsets count what comes. Of a program that
 * writes more than is kept, the supervisor in the sandbox leaves out the middle, and a line among the output says so.
 */
export const StdoutUpdate = update("stdout", output)

/** The same of its standard error. */
export const StderrUpdate = update("stderr", output)

/** The infrastructure failed and the program is run anew: what it wrote before counts no more, offsets begin at 0. */
export const RetryingUpdate = update("retrying", {
  /** 1 for the first. */
  retry: Schema.Number,
  reason: Schema.String
})

/**
 * A file that the program left, told as soon as it is kept or refused: exactly one of the two is there. It counts once
 * the result has it: an execution that is killed, or whose end cannot be recorded, may keep none after all.
 */
export const ArtifactUpdate = update("artifact", {
  kept: Schema.optional(Artifact),
  refused: Schema.optional(RejectedArtifact)
})

const Range = Schema.Struct({ from: Schema.NonNegativeInt, to: Schema.NonNegativeInt })

/**
 * Output that this reader does not get any more, since it came too late or read too slowly: bytes from, and up to but
 * not with. The result still has what is kept.
 */
export const MissedUpdate = update("missed", {
  stdout: Schema.optional(Range),
  stderr: Schema.optional(Range)
})

/** What came of the execution. The last update. */
export const ResultUpdate = update("result", { result: ExecutionResult })

/** The execution has ended, and there is no result of it, or none that is still kept. The last update. */
export const EndedUpdate = update("ended", { verdict: Schema.optional(Verdict) })

/**
 * The server shuts down: the last update of this stream, though not of the execution. Its id is that of the update
 * before, so that who asks for more gets what comes next.
 */
export const ClosingUpdate = update("closing", {})

/** One thing that happened to an execution, as its readers are told. */
export const ExecutionUpdate = Schema.Union(
  QueuedUpdate,
  StartedUpdate,
  StdoutUpdate,
  StderrUpdate,
  RetryingUpdate,
  ArtifactUpdate,
  MissedUpdate,
  ResultUpdate,
  EndedUpdate,
  ClosingUpdate
)
export type ExecutionUpdate = typeof ExecutionUpdate.Type
