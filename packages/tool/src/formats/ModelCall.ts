import {
  type ExecutionResult,
  executionError,
  isToolFailure,
  rejectedResult,
  shortResult,
  usualOutputCharacters,
  visible
} from "@bulkhead/domain"
import { Effect, Either, Predicate } from "effect"
import * as Arguments from "../Arguments.js"
import type { Environment } from "../Environment.js"
import {
  type ExecuteCodeArguments,
  type HardenedExecuteCodeTool,
  hardenedExecuteCodeTool,
  type ToolCallOptions
} from "../HardenedExecuteCodeTool.js"

export interface FormatOptions {
  /** What runs the programs: the ready-made tool unless told. */
  readonly tool?: HardenedExecuteCodeTool | undefined
  /** Whom the programs run for, whatever the model says; `anonymous` unless told. */
  readonly userId?: string | undefined
  /** Settings, as of the tool's own `execute`. */
  readonly env?: Environment | undefined
  /** Characters of each of the two streams of output that the model is shown; 32,768 unless told. */
  readonly outputCharacters?: number | undefined
}

/** Characters of the longest text of arguments that is read: more than the limits on code and files let through. */
const mostText = 64 * 1024 * 1024

const refuse = (message: string) =>
  rejectedResult(Effect.runSync(Arguments.freshId), executionError("INVALID_REQUEST", message))

/** The arguments as a model wrote them: JSON, or what somebody has read from it. */
const parse = (given: unknown): Either.Either<unknown, ExecutionResult> => {
  if (!Predicate.isString(given)) return Either.right(given)
  if (given.length > mostText) {
    return Either.left(refuse(`arguments: expected at most ${mostText} characters, got ${given.length}`))
  }
  return Either.try({
    try: (): unknown => JSON.parse(given),
    catch: () => refuse("arguments: expected one JSON object, but the text is no JSON")
  })
}

const isMember = (entry: unknown): entry is { readonly name: string; readonly value: unknown } =>
  Predicate.hasProperty(entry, "name") &&
  Predicate.isString(entry.name) &&
  Predicate.hasProperty(entry, "value")

/** A list of names and values, as strict mode has it, as an object. What is neither is for the service to refuse. */
const asObject = (list: unknown): unknown =>
  Array.isArray(list) && list.every(isMember)
    ? Object.fromEntries(list.map(({ name, value }) => [name, value]))
    : list

/** Both are objects of any names. */
const withVariables = (read: unknown): unknown => {
  if (!Predicate.isReadonlyRecord(read)) return read
  const { env, secrets, ...others } = read
  return {
    ...others,
    ...(env !== undefined && { env: asObject(env) }),
    ...(secrets !== undefined && { secrets: asObject(secrets) })
  }
}

/**
 * Runs what a model asked for. Gives a result whatever came of it, with no more output than a model has room for;
 * rejects only when the caller aborts.
 */
export const run = (
  { env, outputCharacters = usualOutputCharacters, tool = hardenedExecuteCodeTool, userId }: FormatOptions,
  given: unknown,
  options?: ToolCallOptions
): Promise<ExecutionResult> =>
  Either.match(parse(given), {
    onLeft: (refused) => Promise.resolve(refused),
    onRight: async (read) => {
      // The service validates them.
      const args = withVariables(read) as ExecuteCodeArguments
      return shortResult(await tool.execute(args, env, userId, options), outputCharacters)
    }
  })

/** A result as the text that a model reads: JSON, and whether the tool itself failed. */
export const asText = (result: ExecutionResult): { readonly text: string; readonly isError: boolean } => ({
  text: visible(JSON.stringify(result)),
  isError: isToolFailure(result)
})
