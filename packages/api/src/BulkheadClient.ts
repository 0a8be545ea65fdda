import { HttpApiClient, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { Effect, type Redacted } from "effect"
import { BulkheadApi } from "./BulkheadApi.js"
import type { KillReason } from "./Executions.js"

export interface ClientOptions {
  /** Where the server listens, like `http://127.0.0.1:8787`, with the prefix under which the contract is mounted. */
  readonly url: string
  /** The operator's token or a caller's key. None by default. */
  readonly token?: Redacted.Redacted
}

interface KillRequest<WithResponse extends boolean> {
  readonly path: { readonly executionId: string }
  /** `admin_request` is the reason unless told; `user_request` where its user asks. */
  readonly payload?: typeof KillReason.Type
  readonly withResponse?: WithResponse
}

/** Without it, an error of some other server would be told as a body that does not decode. */
const onlyContractErrors = HttpClient.filterOrFail(
  ({ headers, status }) => status < 400 || /^application\/json\b/i.test(headers["content-type"] ?? ""),
  (response) =>
    new HttpClientError.ResponseError({
      request: response.request,
      response,
      reason: "StatusCode",
      description: "expected an answer of Bulkhead; is the address right, with its prefix?"
    })
)

const derived = ({ url, token }: ClientOptions) =>
  HttpApiClient.make(BulkheadApi, {
    baseUrl: url,
    transformClient: (client) =>
      onlyContractErrors(token ? HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token)) : client)
  })

/** A client whose methods are the contract's endpoints; errors are the contract's too. */
export const make = (options: ClientOptions) =>
  Effect.map(derived(options), (client) => {
    // HttpApi has no words for a body that may be left out.
    const kill = <WithResponse extends boolean = false>(request: KillRequest<WithResponse>) =>
      client.admin.kill<WithResponse>({ payload: {}, ...request })
    const killOwn = <WithResponse extends boolean = false>(request: KillRequest<WithResponse>) =>
      client.executions.kill<WithResponse>({ payload: {}, ...request })
    return {
      ...client,
      admin: { ...client.admin, kill },
      executions: { ...client.executions, kill: killOwn }
    }
  })
