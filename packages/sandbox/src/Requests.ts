import {
  type ExecutionId,
  ExecutionRequest,
  InvalidRequest,
  type Language,
  RequestTooLarge
} from "@bulkhead/domain"
import { Effect, ParseResult, Schema } from "effect"
import type { LimitValues } from "./Limits.js"
import type { Runtime } from "./Toolchain.js"

const decode = Schema.decodeUnknown(ExecutionRequest, { onExcessProperty: "error" })

const fieldOf = (path: ReadonlyArray<PropertyKey>) =>
  path.length === 0 ? "request" : path.map(String).join(".")

/** Reads a request, naming the first field that is wrong. */
export const read = (executionId: ExecutionId, input: unknown) =>
  decode(input).pipe(
    Effect.mapError((error) => {
      const issue = ParseResult.ArrayFormatter.formatErrorSync(error)[0]
      const field = fieldOf(issue?.path ?? [])
      return new InvalidRequest({ executionId, field, message: `${field}: ${issue?.message ?? "malformed"}` })
    })
  )

const byteLength = (text: string) => new TextEncoder().encode(text).length

/** Refuses what the limits do not allow. */
export const checkLimits = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  request: ExecutionRequest,
  limits: LimitValues
) {
  if (byteLength(request.code) > limits.maxCodeBytes) {
    const message = `code: expected at most ${limits.maxCodeBytes} bytes, got ${byteLength(request.code)}`
    return yield* new RequestTooLarge({ executionId, field: "code", message })
  }
  if (request.timeout !== undefined && request.timeout > limits.maxTimeout) {
    const message = `timeout: expected at most ${limits.maxTimeout} seconds, got ${request.timeout}`
    return yield* new InvalidRequest({ executionId, field: "timeout", message })
  }
})

/** The runtime of the request's language, or what could be asked for instead. */
export const chooseRuntime = (
  executionId: ExecutionId,
  language: string,
  runtimes: ReadonlyArray<Runtime>
): Effect.Effect<Runtime, InvalidRequest> => {
  const runtime = runtimes.find((runtime) => runtime.language === (language as Language))
  if (runtime) return Effect.succeed(runtime)
  const known = runtimes.map((runtime) => runtime.language).join(", ")
  const message = `language: expected one of ${known}, got '${language.slice(0, 64)}'`
  return new InvalidRequest({ executionId, field: "language", message })
}
