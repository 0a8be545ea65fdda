import { HttpApiClient, HttpClient, HttpClientRequest } from "@effect/platform"
import type { Redacted } from "effect"
import { BulkheadApi } from "./BulkheadApi.js"

export interface ClientOptions {
  /** Where the server listens, like `http://127.0.0.1:8787`. */
  readonly url: string
  /** The operator's token or a caller's key. None by default. */
  readonly token?: Redacted.Redacted
}

/** A client whose methods are the contract's endpoints; errors are the contract's too. */
export const make = ({ url, token }: ClientOptions) =>
  HttpApiClient.make(BulkheadApi, {
    baseUrl: url,
    ...(token && { transformClient: HttpClient.mapRequest(HttpClientRequest.bearerToken(token)) })
  })
