import type { UserId } from "@bulkhead/domain"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "@effect/platform"
import { Context, type Option, Schema } from "effect"
import { ExecutionRefused, Forbidden, Unauthorized } from "./ApiErrors.js"

const bearer = (description: string) =>
  HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, description))

/** Who asks for an execution: none where the server knows no keys, and the user is the one the request names. */
export class Caller extends Context.Tag("@bulkhead/api/Caller")<
  Caller,
  { readonly userId: Option.Option<UserId> }
>() {}

/** Who asks about executions and the files that they left. */
export class Reader extends Context.Tag("@bulkhead/api/Reader")<
  Reader,
  {
    /** Whether executions of this user may be read, and ended. */
    readonly mayRead: (owner: UserId) => boolean
    /** The only user whose executions may be read. None: everyone's may. */
    readonly userId: Option.Option<UserId>
    /** Whether it is the operator who asks. */
    readonly isOperator: boolean
  }
>() {}

const adminToken = bearer("The server's ADMIN_API_TOKEN.")
const callerKey = bearer("One of the server's SANDBOX_API_KEYS; not needed where it has none.")

/** Lets through whoever holds the operator's token. */
export class AdminAuthentication extends HttpApiMiddleware.Tag<AdminAuthentication>()(
  "@bulkhead/api/AdminAuthentication",
  {
    failure: Unauthorized.answer,
    security: { adminToken }
  }
) {}

/**
 * Finds out who the caller is. Where the server knows keys, lets through only who holds one; where it knows none, only
 * who is on its machine.
 */
export class CallerAuthentication extends HttpApiMiddleware.Tag<CallerAuthentication>()(
  "@bulkhead/api/CallerAuthentication",
  {
    failure: Schema.Union(ExecutionRefused.answer(401), ExecutionRefused.answer(403)),
    provides: Caller,
    security: { callerKey }
  }
) {}

/**
 * Finds out whose executions may be read and ended: with the operator's token all, with a caller's key the caller's, and all where
 * there are no keys.
 */
export class ReaderAuthentication extends HttpApiMiddleware.Tag<ReaderAuthentication>()(
  "@bulkhead/api/ReaderAuthentication",
  {
    failure: Schema.Union(Unauthorized.answer, Forbidden.answer),
    provides: Reader,
    // Tried in this order; the last one's failure is the answer.
    security: { adminToken, callerKey }
  }
) {}
