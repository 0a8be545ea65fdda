import { Either } from "effect"
import type { SandboxRecord, SandboxTable } from "../ControlPlane/SandboxTable.js"
import { EnvdUnauthenticated, type SandboxGone } from "../HostErrors.js"
import * as Answer from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as Secrets from "../Secrets.js"

const badToken = new EnvdUnauthenticated({ message: "the access token is not valid" })

/** The header that names the sandbox; empty when the request has none. */
export const sandboxId = (request: HttpRequest): string => request.header("e2b-sandbox-id")

/** The running sandbox that a request's header names. */
export const namedSandbox = (
  sandboxes: SandboxTable,
  request: HttpRequest
): Either.Either<SandboxRecord, SandboxGone> => {
  const id = sandboxId(request)
  return Either.fromNullable(sandboxes.find(id), () => sandboxes.gone(id))
}

/** Whether a request carries a sandbox's access token. */
export const hasToken = (request: HttpRequest, { accessToken }: SandboxRecord): boolean =>
  Secrets.equal(request.header("x-access-token"), accessToken)

/** The running sandbox that a request names and has the access token of. */
export const authorizedSandbox = (
  sandboxes: SandboxTable,
  request: HttpRequest
): Either.Either<SandboxRecord, SandboxGone | EnvdUnauthenticated> =>
  Either.filterOrLeft(
    namedSandbox(sandboxes, request),
    (record) => hasToken(request, record),
    () => badToken
  )

/** A user by name; `user`, as on E2B, when the name is empty. */
export const userNamed = (
  name: string,
  users: ReadonlyArray<GuestUser>
): Either.Either<GuestUser, EnvdUnauthenticated> => {
  const wanted = name === "" ? "user" : name
  const message =
    wanted === "root"
      ? "this host does not run as root, so sandboxes have no root"
      : `invalid username: '${wanted}'`
  return Either.fromNullable(
    users.find((user) => user === wanted),
    () => new EnvdUnauthenticated({ message })
  )
}

/** The user that a remote call's Basic authorization names. */
export const basicUser = (request: HttpRequest, users: ReadonlyArray<GuestUser>) => {
  const [, encoded = ""] = /^basic\s+(.*)$/i.exec(request.header("authorization")) ?? []
  const [name = ""] = Buffer.from(encoded, "base64").toString().split(":")
  return userNamed(name, users)
}

/** E2B's proxy answers this for a sandbox that does not run; the SDK takes status 502 for "it is gone". */
export const goneAnswer = ({ message, sandboxId }: SandboxGone): Answer.Answer =>
  Answer.json(502, { sandboxId, message, code: 502 })
