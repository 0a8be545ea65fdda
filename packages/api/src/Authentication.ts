import type { UserId } from "@bulkhead/domain"
import { HttpApiMiddleware, HttpApiSecurity, OpenApi } from "@effect/platform"
import { Context, type Option } from "effect"
import { ExecutionRefused, Unauthorized } from "./ApiErrors.js"

const bearer = (description: string) =>
  HttpApiSecurity.bearer.pipe(HttpApiSecurity.annotate(OpenApi.Description, description))

/** Who asks for an execution: none where the server knows no keys, and the user is the one the request names. */
export class Caller extends Context.Tag("@bulkhead/api/Caller")<
  Caller,
  { readonly userId: Option.Option<UserId> }
>() {}

/** Lets through whoever holds the operator's token. */
export class AdminAuthentication extends HttpApiMiddleware.Tag<AdminAuthentication>()(
  "@bulkhead/api/AdminAuthentication",
  {
    failure: Unauthorized.answer,
    security: { adminToken: bearer("The server's ADMIN_API_TOKEN.") }
  }
) {}

/** Finds out who the caller is. Where the server knows keys, lets through only who holds one. */
export class CallerAuthentication extends HttpApiMiddleware.Tag<CallerAuthentication>()(
  "@bulkhead/api/CallerAuthentication",
  {
    failure: ExecutionRefused.answer(401),
    provides: Caller,
    security: { callerKey: bearer("One of the server's SANDBOX_API_KEYS; not needed where it has none.") }
  }
) {}
