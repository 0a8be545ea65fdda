import { Option } from "effect"
import * as Secrets from "../Secrets.js"

/** What the query of a `/files` URL says. */
export interface FileUrl {
  readonly path: string
  readonly username: string
  readonly signature: Option.Option<string>
  /** In seconds since 1970, as it is signed. */
  readonly expiration: Option.Option<string>
}

export type Operation = "read" | "write"

export const parse = (query: URLSearchParams): FileUrl => ({
  path: query.get("path") ?? "",
  username: query.get("username") ?? "",
  signature: Option.fromNullable(query.get("signature")),
  expiration: Option.fromNullable(query.get("signature_expiration"))
})

/** Whether a URL is signed for an operation with a sandbox's access token. */
export const isSigned = (url: FileUrl, operation: Operation, accessToken: string): boolean =>
  Option.exists(url.signature, (given) =>
    Secrets.equal(
      given,
      Secrets.signature([
        ...[url.path, operation, url.username, accessToken],
        ...Option.toArray(url.expiration)
      ])
    )
  )

/** When the signature ends, in milliseconds since 1970. */
export const expiresAt = ({ expiration }: FileUrl): number =>
  Option.match(expiration, {
    onNone: () => Number.POSITIVE_INFINITY,
    onSome: (seconds) => Number(seconds) * 1000
  })
