import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Data, Effect } from "effect"
import { type GuestUser, homes } from "./GuestEtc.js"
import { SandboxGone } from "./HostErrors.js"
import type { Sandboxes, SandboxRecord } from "./Sandboxes.js"
import * as Secrets from "./Secrets.js"

/** The access token or the user of an envd request is not right. */
export class EnvdUnauthenticated extends Data.TaggedError("EnvdUnauthenticated")<{
  readonly message: string
}> {}

const badToken = new EnvdUnauthenticated({ message: "the access token is not valid" })

/** The sandbox that a request's header names. */
export const sandboxOf = (sandboxes: Sandboxes) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const id = request.headers["e2b-sandbox-id"] ?? ""
    const record = sandboxes.find(id)
    return record === undefined ? new SandboxGone({ sandboxId: id }) : Effect.succeed(record)
  })

/** The sandbox a request names, for which it also has the token. */
export const authorizedSandbox = (sandboxes: Sandboxes) =>
  Effect.gen(function* () {
    const request = yield* HttpServerRequest.HttpServerRequest
    const record = yield* sandboxOf(sandboxes)
    if (!hasToken(request, record)) return yield* badToken
    return record
  })

/** Whether the request carries the sandbox's access token. */
export const hasToken = (request: HttpServerRequest.HttpServerRequest, record: SandboxRecord) =>
  Secrets.equal(request.headers["x-access-token"] ?? "", record.accessToken)

/** A user by name; E2B's default user when none is named. */
export const userNamed = (name: string | undefined, rootAllowed: boolean) => {
  const user = name === undefined || name === "" ? "user" : name
  if (user === "root" && !rootAllowed)
    return new EnvdUnauthenticated({ message: "this host does not run as root, so sandboxes have no root" })
  return Object.hasOwn(homes, user)
    ? Effect.succeed(user as GuestUser)
    : new EnvdUnauthenticated({ message: `invalid username: '${user}'` })
}

/** The user that a remote call's Basic authorization names. */
export const basicUser = (rootAllowed: boolean) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) => {
    const [, encoded] = /^basic\s+(.*)$/i.exec(request.headers.authorization ?? "") ?? []
    const name = encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString().split(":")[0]
    return userNamed(name, rootAllowed)
  })

/** The answers to requests that never reach a sandbox. */
export const answer = {
  SandboxGone: (error: SandboxGone) =>
    Effect.succeed(
      HttpServerResponse.unsafeJson(
        { sandboxId: error.sandboxId, message: "The sandbox was not found", code: 502 },
        { status: 502 }
      )
    ),
  EnvdUnauthenticated: (error: EnvdUnauthenticated) =>
    Effect.succeed(
      HttpServerResponse.unsafeJson({ code: "unauthenticated", message: error.message }, { status: 401 })
    )
}
