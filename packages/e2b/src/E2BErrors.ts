import type { ErrorCode } from "@bulkhead/domain"
import { errorCodes } from "@bulkhead/domain"
import { SandboxFailure } from "@bulkhead/sandbox"
import {
  AuthenticationError,
  NotEnoughSpaceError,
  RateLimitError,
  SandboxError,
  SandboxNotFoundError,
  ServiceBusyError,
  TimeoutError
} from "e2b"

type Phase = SandboxFailure["phase"]

const networkCodes: Record<string, ErrorCode> = {
  ECONNREFUSED: "ECONNREFUSED",
  ENOTFOUND: "ECONNREFUSED",
  EAI_AGAIN: "ECONNREFUSED",
  EHOSTUNREACH: "ECONNREFUSED",
  ENETUNREACH: "ECONNREFUSED",
  ETIMEDOUT: "ETIMEDOUT",
  UND_ERR_CONNECT_TIMEOUT: "ETIMEDOUT",
  UND_ERR_HEADERS_TIMEOUT: "ETIMEDOUT",
  UND_ERR_BODY_TIMEOUT: "ETIMEDOUT"
}

const ofStatus = (status: number): ErrorCode => {
  if (status === 401 || status === 403) return "PERMISSION_DENIED"
  if (status === 429) return "RATE_LIMIT"
  if (status === 408 || status === 504) return "ETIMEDOUT"
  return status >= 500 ? "SANDBOX_BUSY" : "INTERNAL_ERROR"
}

/** What undici, under `fetch`, says in the cause of its bare TypeError. */
const ofNetworkError = (error: Error): ErrorCode => {
  const cause = error.cause as { readonly code?: unknown } | undefined
  return networkCodes[String(cause?.code)] ?? "ECONNRESET"
}

/** A stream that broke off: the SDK reports it as an unclassified error with one of these words in it. */
const brokenStream = /terminated|without a result|missing EndStreamResponse|\[unknown\]|\[aborted\]/

const codeOf = (error: unknown, phase: Phase): ErrorCode => {
  if (error instanceof AuthenticationError) return "PERMISSION_DENIED"
  if (error instanceof RateLimitError) return "RATE_LIMIT"
  if (error instanceof ServiceBusyError) return "SANDBOX_BUSY"
  if (error instanceof TimeoutError) return phase === "run" ? "ECONNRESET" : "ETIMEDOUT"
  if (error instanceof NotEnoughSpaceError) return "DISK_LIMIT_EXCEEDED"
  // Before the command runs, the SDK reports 429 and 5xx of the proxy like this too.
  if (error instanceof SandboxNotFoundError) return phase === "start" ? "SANDBOX_BUSY" : "ECONNRESET"
  if (error instanceof SandboxError) {
    if (error.statusCode !== undefined) return ofStatus(error.statusCode)
    return brokenStream.test(error.message) ? "ECONNRESET" : "INTERNAL_ERROR"
  }
  if (error instanceof DOMException) return "ETIMEDOUT"
  return error instanceof TypeError ? ofNetworkError(error) : "INTERNAL_ERROR"
}

const messages: Partial<Record<ErrorCode, string>> = {
  PERMISSION_DENIED: "The sandbox provider refused our credentials",
  RATE_LIMIT: "The sandbox provider limits our rate",
  SANDBOX_BUSY: "The sandbox provider is busy",
  ETIMEDOUT: "The sandbox provider did not answer in time",
  ECONNRESET: "The connection to the sandbox was lost",
  ECONNREFUSED: "The sandbox provider cannot be reached",
  DISK_LIMIT_EXCEEDED: "The sandbox's disk is full"
}

/** What an error of the SDK means. Its own words go to the log alone: they may name hosts and paths. */
export const classify =
  (phase: Phase) =>
  (error: unknown): SandboxFailure => {
    const code = codeOf(error, phase)
    const message = messages[code] ?? "The sandbox provider answered in a way we do not understand"
    return new SandboxFailure({ code, phase, message, retryable: errorCodes[code].retryable, cause: error })
  }
