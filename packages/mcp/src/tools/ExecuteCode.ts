import {
  type ErrorCode,
  type ExecutionRequestInput,
  ExecutionResult,
  type ExecutionUpdate,
  executeCodeDescription,
  executeCodeName,
  executeCodeParameters,
  executionError,
  isToolFailure,
  type Refusal,
  refusalError,
  rejectedResult,
  shortResult,
  shownName,
  visible
} from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { Effect, JSONSchema, Predicate, Stream } from "effect"
import type { Caller } from "../Caller.js"
import { hasStructuredContent } from "../Protocol.js"
import * as Artifacts from "../resources/Artifacts.js"
import * as ToolResult from "./ToolResult.js"

export const name = executeCodeName

/** The tool as `tools/list` has it. */
export const definition = () => ({
  name,
  title: "Run a program",
  description: executeCodeDescription,
  inputSchema: executeCodeParameters(),
  outputSchema: JSONSchema.make(ExecutionResult),
  annotations: { readOnlyHint: false, destructiveHint: false, idempotentHint: false, openWorldHint: true }
})

/** What is told of a call while it runs. */
export type Told =
  | { readonly _tag: "Progress"; readonly message: string }
  | { readonly _tag: "Result"; readonly result: ToolResult.ToolResult }

const progress = (message: string): Told => ({ _tag: "Progress", message })

const resultOf = (result: ExecutionResult, { version }: Caller): Told => {
  const { content, ...rest } = ToolResult.of(shortResult(result), isToolFailure(result))
  const links = hasStructuredContent(version) ? Artifacts.linksTo(result.executionId, result.artifacts) : []
  return { _tag: "Result", result: { ...rest, content: [...content, ...links] } }
}

const refusalOf = (refusal: Refusal): Told => {
  const { content, ...rest } = ToolResult.of(rejectedResult(refusal.executionId, refusalError(refusal)), true)
  const advice = "retryAfter" in refusal ? [`Try again after ${refusal.retryAfter} seconds.`] : []
  return {
    _tag: "Result",
    result: { ...rest, content: [...content, ...advice.map((text) => ({ type: "text" as const, text }))] }
  }
}

/** Characters of all output that is told while a program runs. */
const mostTold = 1_048_576

/** One message of progress has at most so many of them. */
const pieces = /[\s\S]{1,16384}/gu

const outputOf = (stream: string, text: string) =>
  (text.match(pieces) ?? []).map((piece) => progress(`${stream}: ${visible(piece)}`))

const waiting = (ahead: number) => progress(`Waits for its turn; ${ahead} ahead of it`)

const failed = (code: ErrorCode, message: string): Told => ({
  _tag: "Result",
  result: ToolResult.failed(executionError(code, message))
})

/** Names the kind first, so that no output can be taken for something else. */
const toldOf = (update: ExecutionUpdate, caller: Caller): ReadonlyArray<Told> => {
  switch (update.type) {
    case "queued":
      return [waiting(update.ahead)]
    case "started":
      return [progress("Started")]
    case "stdout":
    case "stderr":
      return outputOf(update.type, update.text)
    case "retrying":
      return [progress(`Retries: ${visible(update.reason)}; what was written before counts no more`)]
    case "missed":
      return [progress("Missed: some output that came faster than it was read")]
    case "artifact":
      return update.kept === undefined ? [] : [progress(`Kept: ${visible(update.kept.name)}`)]
    case "result":
      return [resultOf(update.result, caller)]
    case "ended":
      return [failed("NOT_FOUND", "The execution has ended, and its result is not kept")]
    case "closing":
      return [failed("SANDBOX_BUSY", "The service is shutting down")]
  }
}

/** Output beyond what is told live is left out, which is said once. */
const bounded = (told: Stream.Stream<Told, Refusal>) =>
  Stream.mapConcat(
    Stream.mapAccum(told, 0, (sent, each): [number, ReadonlyArray<Told>] => {
      if (each._tag === "Result") return [sent, [each]]
      const now = sent + each.message.length
      if (now <= mostTold) return [now, [each]]
      const isFirst = sent <= mostTold
      return [
        now,
        isFirst ? [progress("No more output is told live; the result has what is kept of it")] : []
      ]
    }),
    (each) => each
  )

const known = new Set(Object.keys(executeCodeParameters().properties))

/** A field that the tool does not have: who asks, or who is told of the end, is not for a model to say. */
const unknownField = (args: unknown) =>
  Predicate.isReadonlyRecord(args) ? Object.keys(args).find((name) => !known.has(name)) : undefined

/**
 * Runs a program for the caller, and tells what happens while it runs if that is wanted. The last thing told is the
 * result, also of what is refused. Whoever stops reading kills the program.
 */
export const run = (args: unknown, caller: Caller, options: { readonly tellsProgress: boolean }) => {
  const unknown = unknownField(args)
  if (unknown !== undefined)
    return Stream.succeed(failed("INVALID_REQUEST", `${shownName(unknown)}: is unexpected`))
  return Stream.unwrap(
    Effect.map(SandboxService, ({ execute, stream }) => {
      // The service validates it.
      const request = args as ExecutionRequestInput
      const { userId } = caller
      const told = options.tellsProgress
        ? bounded(Stream.mapConcat(stream(request, { userId }), (update) => toldOf(update, caller)))
        : Stream.map(Stream.fromEffect(execute(request, { userId })), (result) => resultOf(result, caller))
      return Stream.catchAll(told, (refusal) => Stream.succeed(refusalOf(refusal)))
    })
  )
}
