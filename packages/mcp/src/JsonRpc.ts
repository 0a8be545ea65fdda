import { ExecutionError, faultOf } from "@bulkhead/domain"
import { Effect, Option, Predicate, Schema } from "effect"
import type { ParseOptions } from "effect/SchemaAST"

const longestId = 256

/** What a client calls a request of its own. */
export const RequestId = Schema.Union(
  Schema.Number,
  Schema.String.pipe(
    Schema.maxLength(longestId, { message: () => `expected at most ${longestId} characters` })
  )
)
export type RequestId = typeof RequestId.Type

/** What may be left out may also be null: many clients and models write every field that they know. */
export const optional = <A, I>(schema: Schema.Schema<A, I>) =>
  Schema.optionalWith(schema, { exact: true, nullable: true })

const Message = Schema.Struct({
  jsonrpc: Schema.Literal("2.0"),
  id: Schema.optional(RequestId),
  method: Schema.optional(Schema.String),
  params: optional(Schema.Record({ key: Schema.String, value: Schema.Unknown }))
})

export interface Request {
  readonly _tag: "Request"
  readonly id: RequestId
  readonly method: string
  readonly params: unknown
}

/** What came: something to answer, something to know, or an answer. Nothing here asks clients for anything. */
export type Incoming =
  | Request
  | { readonly _tag: "Notification"; readonly method: string; readonly params: unknown }
  | { readonly _tag: "Answer" }

/** JSON-RPC's own codes, and MCP's for what is not there. */
export const codes = {
  parseError: -32700,
  invalidRequest: -32600,
  methodNotFound: -32601,
  invalidParams: -32602,
  internalError: -32603,
  resourceNotFound: -32002,
  refused: -32000
} as const

/** Why a message cannot be answered as it wants. */
export class RpcFailure extends Schema.TaggedError<RpcFailure>()("RpcFailure", {
  code: Schema.Number,
  message: Schema.String,
  /** The contract's error, for who can tell its codes apart. */
  error: Schema.optional(ExecutionError),
  /** What the protocol has in the place of that. */
  data: Schema.optional(Schema.Unknown)
}) {}

/** A refusal of the contract, as JSON-RPC tells it. */
export const refused = (error: ExecutionError) =>
  new RpcFailure({ code: codes.refused, message: error.message, error })

export const invalidParams = (message: string) => new RpcFailure({ code: codes.invalidParams, message })

/** A message that is none of the protocol's, or comes at the wrong time. */
export const refusedRequest = (message: string) => new RpcFailure({ code: codes.invalidRequest, message })

const decodeMessage = Schema.decodeUnknown(Message)

/** Reads one message. Several in an array, as old versions of MCP have them, are not taken. */
export const read = (value: unknown): Effect.Effect<Incoming, RpcFailure> => {
  if (Array.isArray(value)) return refusedRequest("message: expected one message, not an array of them")
  return Effect.matchEffect(decodeMessage(value), {
    onFailure: (error) => refusedRequest(faultOf(error, "message").message),
    onSuccess: ({ id, method, params = {} }): Effect.Effect<Incoming, RpcFailure> => {
      if (method === undefined) return Effect.succeed({ _tag: "Answer" })
      return Effect.succeed(
        id === undefined ? { _tag: "Notification", method, params } : { _tag: "Request", id, method, params }
      )
    }
  })
}

/** A message that goes out. */
export type Outgoing = { readonly jsonrpc: "2.0" } & (
  | { readonly id: RequestId; readonly result: object }
  | { readonly id?: RequestId; readonly error: { readonly code: number; readonly message: string } }
  | { readonly method: string; readonly params: object }
)

export const result = (id: RequestId, result: object): Outgoing => ({ jsonrpc: "2.0", id, result })

/** The answer to what cannot be answered; without an id to what has none that could be read. */
export const failure = (
  id: RequestId | undefined,
  { code, error, data = error, message }: Pick<RpcFailure, "code" | "data" | "error" | "message">
): Outgoing => ({
  jsonrpc: "2.0",
  ...(id === undefined ? {} : { id }),
  error: { code, message, ...(data === undefined ? {} : { data }) }
})

export const notification = (method: string, params: object): Outgoing => ({ jsonrpc: "2.0", method, params })

/** The id of what could not be read as a message, if it has one that could be. */
export const idOf = (value: unknown): RequestId | undefined =>
  Predicate.hasProperty(value, "id")
    ? Option.getOrUndefined(Schema.decodeUnknownOption(RequestId)(value.id))
    : undefined

const reader =
  (name: string, options: ParseOptions) =>
  <A, I>(schema: Schema.Schema<A, I>) => {
    const decode = Schema.decodeUnknown(schema, options)
    return (value: unknown): Effect.Effect<A, RpcFailure> =>
      Effect.mapError(decode(value), (error) => invalidParams(faultOf(error, name).message))
  }

/** Reads a method's parameters. Those that are not known belong to other versions of the protocol. */
export const params = reader("params", {})

/** Reads a tool's arguments, none of which may be unknown. */
export const toolArguments = reader("arguments", { onExcessProperty: "error" })
