import { type ErrorCode, errorCodes } from "@bulkhead/domain"
import { SandboxFailure } from "@bulkhead/sandbox"
import {
  AuthenticationError,
  CommandExitError,
  InvalidArgumentError,
  NotEnoughSpaceError,
  NotFoundError,
  RateLimitError,
  SandboxError,
  SandboxNotFoundError,
  ServiceBusyError,
  TemplateError,
  TimeoutError
} from "e2b"
import * as Wire from "./Wire.js"

type Seen = Wire.Seen

type Phase = SandboxFailure["phase"]

/**
 * One meaning that an error can have, and all the ways in which it is said. The first row that knows an error decides.
 */
export interface Row {
  /** What happened. */
  readonly name: string
  /** Only while this was being done; whatever was being done unless told. */
  readonly phases?: ReadonlyArray<Phase>
  /** Classes of the SDK or of the platform. */
  readonly types?: ReadonlyArray<abstract new (...given: never) => Error>
  /** HTTP statuses: one, or all that begin with a digit. */
  readonly statuses?: ReadonlyArray<number | "4xx" | "5xx">
  /** Codes of the Connect protocol. */
  readonly rpc?: ReadonlyArray<string>
  /** Codes of sockets, TLS and the HTTP client, or names where they have none; with an asterisk, all that begin so. */
  readonly network?: ReadonlyArray<string>
  /** Words in the error's message, where nothing else tells it from others. */
  readonly words?: ReadonlyArray<string>
  readonly code: ErrorCode
  /** What callers read; the code's own words unless told. */
  readonly message?: string
}

/** Connect's calls, each of which begins with a start. */
const starting = ["start", "signal"] as const

/**
 * Every failure that the SDK can produce. A `start` may be repeated unless its program may have begun, which
 * `ETIMEDOUT` and `ECONNRESET` say and the other codes deny: so what a proxy turned away is `SANDBOX_BUSY`, and what
 * was lost on the way is not.
 */
export const table: ReadonlyArray<Row> = [
  { name: "the shell that sends a signal failed", types: [CommandExitError], code: "INTERNAL_ERROR" },
  {
    name: "the embedded host's launcher died under the sandbox",
    words: ["the launcher of this sandbox died under it"],
    code: "ECONNRESET",
    message: "The launcher of the sandboxes died, and this sandbox with it"
  },
  {
    name: "the embedded host's launcher died before the start",
    phases: starting,
    words: ["the launcher of this sandbox died before"],
    code: "SANDBOX_BUSY",
    message: "The launcher of the sandboxes died before the start"
  },
  {
    name: "the embedded host's launcher died",
    words: ["the launcher of this sandbox died before"],
    code: "ECONNRESET",
    message: "The launcher of the sandboxes died, and this sandbox with it"
  },
  {
    name: "the embedded host has no launcher at present",
    words: ["The launcher of the sandboxes"],
    code: "SANDBOX_BUSY",
    message: "The launcher of the sandboxes died and is being started again"
  },
  {
    name: "the sandbox is dead",
    words: ["was killed or reached its end of life", "likely due to sandbox timeout"],
    code: "ECONNRESET"
  },
  {
    name: "our credentials are refused",
    types: [AuthenticationError],
    statuses: [401, 403],
    rpc: ["unauthenticated"],
    code: "PERMISSION_DENIED"
  },
  {
    name: "the sandbox's own system refuses, as when a program has shut its home",
    rpc: ["permission_denied"],
    code: "INTERNAL_ERROR",
    message: "A permission is missing in the sandbox"
  },
  {
    name: "our rate is limited",
    types: [RateLimitError],
    statuses: [429],
    rpc: ["resource_exhausted"],
    code: "RATE_LIMIT"
  },
  {
    name: "the sandbox's disk is full",
    phases: ["files"],
    types: [NotEnoughSpaceError],
    code: "DISK_LIMIT_EXCEEDED"
  },
  {
    name: "the sandbox to renew is gone",
    phases: ["renew"],
    types: [SandboxNotFoundError],
    statuses: [404],
    code: "ECONNRESET"
  },
  {
    name: "the sandbox to look at is gone",
    phases: ["list"],
    types: [SandboxNotFoundError],
    code: "ECONNRESET"
  },
  {
    name: "there is no such template",
    phases: ["create"],
    statuses: [404],
    code: "INTERNAL_ERROR",
    message: "The sandbox provider does not know the image"
  },
  { name: "a proxy waited too long for the provider", statuses: [408, 504], code: "ETIMEDOUT" },
  {
    name: "a proxy turned the start away",
    phases: starting,
    types: [SandboxNotFoundError],
    statuses: [502, 503],
    code: "SANDBOX_BUSY"
  },
  { name: "the start failed in the sandbox", phases: starting, statuses: ["5xx"], code: "ECONNRESET" },
  { name: "the provider has no such operation", statuses: [501], code: "INTERNAL_ERROR" },
  { name: "the provider is busy", types: [ServiceBusyError], statuses: ["5xx"], code: "SANDBOX_BUSY" },
  { name: "our request is refused", statuses: ["4xx"], code: "INTERNAL_ERROR" },
  {
    name: "the provider cannot be reached",
    network: [
      "ECONNREFUSED",
      "ENOTFOUND",
      "EAI_AGAIN",
      "EHOSTUNREACH",
      "EHOSTDOWN",
      "ENETUNREACH",
      "ENETDOWN",
      "EADDRNOTAVAIL"
    ],
    code: "ECONNREFUSED"
  },
  {
    name: "the provider is silent on the network",
    network: ["ETIMEDOUT", "UND_ERR_CONNECT_TIMEOUT", "UND_ERR_HEADERS_TIMEOUT", "UND_ERR_BODY_TIMEOUT"],
    code: "ETIMEDOUT"
  },
  {
    name: "the provider's certificate is not trusted, or it speaks no TLS",
    network: [
      "CERT_*",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_*",
      "ERR_TLS_*",
      "ERR_SSL_*",
      "EPROTO"
    ],
    code: "INTERNAL_ERROR",
    message: "No safe connection to the sandbox provider can be made"
  },
  {
    name: "the connection broke off",
    network: [
      "ECONNRESET",
      "ECONNABORTED",
      "EPIPE",
      "UND_ERR_SOCKET",
      "UND_ERR_CLOSED",
      "UND_ERR_DESTROYED",
      "UND_ERR_RES_CONTENT_LENGTH_MISMATCH",
      "HPE_INVALID_EOF_STATE",
      "ERR_HTTP2_*"
    ],
    code: "ECONNRESET"
  },
  {
    name: "the answer is not HTTP that we take",
    network: ["HTTPParserError", "HPE_*", "UND_ERR_HEADERS_OVERFLOW", "UND_ERR_RES_EXCEEDED_MAX_SIZE"],
    code: "INTERNAL_ERROR"
  },
  {
    name: "our request is not HTTP that can be sent",
    network: ["UND_ERR_INVALID_ARG", "UND_ERR_NOT_SUPPORTED", "UND_ERR_REQ_CONTENT_LENGTH_MISMATCH"],
    code: "INTERNAL_ERROR"
  },
  {
    name: "the provider ended the command when its time was over",
    phases: ["run"],
    rpc: ["deadline_exceeded"],
    code: "EXECUTION_TIMEOUT",
    message: "Execution timeout: the sandbox provider ended the program"
  },
  {
    name: "the sandbox went away under the command",
    phases: ["run"],
    types: [TimeoutError, SandboxNotFoundError],
    rpc: ["canceled"],
    code: "ECONNRESET"
  },
  {
    name: "the stream ended before the start",
    phases: starting,
    words: ["reading 'event'"],
    code: "ECONNRESET"
  },
  {
    name: "the connection or stream broke off",
    rpc: ["unknown", "aborted"],
    words: [
      "fetch failed",
      "terminated",
      "without a result",
      "missing EndStreamResponse",
      "incomplete envelope"
    ],
    code: "ECONNRESET"
  },
  {
    name: "the provider did not answer in time",
    types: [TimeoutError, DOMException],
    rpc: ["deadline_exceeded", "canceled"],
    code: "ETIMEDOUT"
  },
  {
    name: "our request makes no sense to the provider",
    types: [InvalidArgumentError, NotFoundError, TemplateError],
    rpc: [
      "invalid_argument",
      "not_found",
      "already_exists",
      "failed_precondition",
      "out_of_range",
      "unimplemented",
      "internal",
      "data_loss"
    ],
    code: "INTERNAL_ERROR"
  },
  { name: "the answer makes no sense to us", types: [SyntaxError, TypeError], code: "INTERNAL_ERROR" }
]

/** What no row knows is a mistake of ours until somebody has understood it. */
export const unknown: Row = { name: "an unknown error", code: "INTERNAL_ERROR" }

/** What the table looks at. */
interface Facts {
  readonly error: unknown
  readonly message: string
  readonly status: number | undefined
  readonly rpc: string | undefined
  readonly network: string | undefined
}

const ofError = (error: unknown, read: (error: Error) => unknown) =>
  error instanceof Error ? read(error) : undefined

/** The SDK says the status in a field, or at the head of its message. */
const statusOf = (error: unknown, { status }: Seen) => {
  if (error instanceof SandboxError || error instanceof ServiceBusyError) {
    const [, told] = /^(\d{3}): /.exec(error.message) ?? []
    if (error.statusCode !== undefined || told !== undefined) return error.statusCode ?? Number(told)
  }
  return status !== undefined && status >= 400 ? status : undefined
}

/** Connect's code leads its message, behind a number where the SDK has no class for it. */
const rpcOf = (message: string) => /^(?:\d{1,2}: )?\[(\w+)\]/.exec(message)?.[1]

/** undici's own error is the cause of the TypeError that `fetch` throws. */
const networkOf = (error: unknown, { network }: Seen) =>
  Wire.codeOf(ofError(error, ({ cause }) => cause)) ?? network

const factsOf = (error: unknown, seen: Seen): Facts => {
  const message = String(ofError(error, ({ message }) => message) ?? "")
  return {
    error,
    message,
    status: statusOf(error, seen),
    rpc: rpcOf(message),
    network: networkOf(error, seen)
  }
}

const isStatus = (known: number | "4xx" | "5xx", status: number | undefined) =>
  typeof known === "number" ? known === status : known[0] === String(status)[0]

const isNetwork = (known: string, code: string | undefined) =>
  known.endsWith("*") ? code?.startsWith(known.slice(0, -1)) === true : known === code

/** By which of its ways a row knows an error; by none, it is another's. */
const waysOf = (row: Row, { error, message, network, rpc, status }: Facts): ReadonlyArray<string> => [
  ...(row.types ?? []).filter((type) => error instanceof type).map(({ name }) => name),
  ...(row.statuses ?? []).filter((known) => isStatus(known, status)).map(String),
  ...(row.rpc ?? []).filter((known) => known === rpc),
  ...(row.network ?? []).filter((known) => isNetwork(known, network)),
  ...(row.words ?? []).filter((words) => message.includes(words))
]

/** The row that decides on an error, and the ways by which it knows it. */
export const find = (phase: Phase, error: unknown, seen: Seen = {}) => {
  const facts = factsOf(error, seen)
  for (const row of table) {
    if (row.phases !== undefined && !row.phases.includes(phase)) continue
    const ways = waysOf(row, facts)
    if (ways.length > 0) return { row, ways }
  }
  return { row: unknown, ways: [] }
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
  (phase: Phase, seen: Seen = {}) =>
  (error: unknown): SandboxFailure => {
    const { code, message } = find(phase, error, seen).row
    return new SandboxFailure({
      code,
      phase,
      message: message ?? messages[code] ?? "The sandbox provider answered in a way we do not understand",
      retryable: errorCodes[code].retryable,
      ...(seen.retryAfter === undefined ? {} : { retryAfter: seen.retryAfter }),
      cause: error
    })
  }
