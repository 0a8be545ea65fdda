import { HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Data, Effect, Either } from "effect"
import type { SandboxRecord, SandboxTable } from "../ControlPlane/SandboxTable.js"
import { SandboxGone } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as Secrets from "../Secrets.js"

/** The access token or the user of an envd request is not right. */
export class EnvdUnauthenticated extends Data.TaggedError("EnvdUnauthenticated")<{
  readonly message: string
}> {}

const badToken = new EnvdUnauthenticated({ message: "the access token is not valid" })

type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/** A header's value; empty when it is not there. */
export const header = (headers: Headers, name: string): string => String(headers[name] ?? "")

const named = (sandboxes: SandboxTable, headers: Headers) => {
  const sandboxId = header(headers, "e2b-sandbox-id")
  return Either.fromNullable(sandboxes.find(sandboxId), () => new SandboxGone({ sandboxId }))
}

/** The sandbox that a request's header names. */
export const sandboxOf = (sandboxes: SandboxTable) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => named(sandboxes, headers))

/** The sandbox a request names, for which it also has the token. */
export const authorizedSandbox = (sandboxes: SandboxTable) =>
  Effect.gen(function* () {
    const { headers } = yield* HttpServerRequest.HttpServerRequest
    return yield* authorize(sandboxes, headers)
  })

/** The sandbox that headers name and have the token for. */
export const authorize = (
  sandboxes: SandboxTable,
  headers: Headers
): Either.Either<SandboxRecord, SandboxGone | EnvdUnauthenticated> => {
  const record = named(sandboxes, headers)
  return Either.filterOrLeft(
    record,
    (found) => hasToken(headers, found),
    () => badToken
  )
}

/** Whether the request carries the sandbox's access token. */
export const hasToken = (headers: Headers, record: SandboxRecord) =>
  Secrets.equal(header(headers, "x-access-token"), record.accessToken)

/** A user by name; E2B's default user when none is named. */
export const userNamed = (name: string | undefined, users: ReadonlyArray<GuestUser>) => {
  const wanted = name === undefined || name === "" ? "user" : name
  const user = users.find((each) => each === wanted)
  if (user !== undefined) return Effect.succeed(user)
  return new EnvdUnauthenticated({
    message:
      wanted === "root"
        ? "this host does not run as root, so sandboxes have no root"
        : `invalid username: '${wanted}'`
  })
}

/** The user that a remote call's Basic authorization names. */
export const basicUser = (users: ReadonlyArray<GuestUser>) =>
  Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) => userOf(headers, users))

/** The user that headers name. */
export const userOf = (headers: Headers, users: ReadonlyArray<GuestUser>) => {
  const [, encoded] = /^basic\s+(.*)$/i.exec(header(headers, "authorization")) ?? []
  const name = encoded === undefined ? undefined : Buffer.from(encoded, "base64").toString().split(":")[0]
  return userNamed(name, users)
}

/** The status and body of the answer to a request that never reaches a sandbox. */
export const describe = (error: SandboxGone | EnvdUnauthenticated): readonly [number, object] =>
  error._tag === "SandboxGone"
    ? [502, { sandboxId: error.sandboxId, message: "The sandbox was not found", code: 502 }]
    : [401, { code: "unauthenticated", message: error.message }]

const respond = (error: SandboxGone | EnvdUnauthenticated) => {
  const [status, body] = describe(error)
  return Effect.succeed(HttpServerResponse.unsafeJson(body, { status }))
}

/** The answers to requests that never reach a sandbox. */
export const answer = { SandboxGone: respond, EnvdUnauthenticated: respond }
