import type { ExecutionRequestInput } from "@bulkhead/domain"
import { HttpApiClient, HttpClient, HttpClientError, HttpClientRequest } from "@effect/platform"
import { Effect, Random, type Redacted, Schedule, Stream } from "effect"
import { BulkheadApi } from "./BulkheadApi.js"
import * as ExecutionStream from "./ExecutionStream.js"
import type { KillReason } from "./Executions.js"

export interface ClientOptions {
  /** Where the server listens, like `http://127.0.0.1:8787`, with the prefix under which the contract is mounted. */
  readonly url: string
  /** The operator's token or a caller's key. None by default. */
  readonly token?: Redacted.Redacted
}

export interface KillRequest<WithResponse extends boolean> {
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

const authorized =
  ({ token }: ClientOptions) =>
  (client: HttpClient.HttpClient) =>
    onlyContractErrors(token ? HttpClient.mapRequest(client, HttpClientRequest.bearerToken(token)) : client)

const derived = (options: ClientOptions) =>
  HttpApiClient.make(BulkheadApi, { baseUrl: options.url, transformClient: authorized(options) })

/** An answer that was lost is asked for again. */
const resend = Schedule.exponential("200 millis").pipe(Schedule.intersect(Schedule.recurs(5)))

/** The answer did not come, or not whole (202), or is that of a proxy before the server. */
const isLost = (error: unknown) =>
  HttpClientError.isHttpClientError(error) &&
  (error._tag === "RequestError" || error.response.status === 202 || error.response.status >= 500)

const digits = Effect.map(Random.nextIntBetween(0, Number.MAX_SAFE_INTEGER), (number) => number.toString(36))

/** Under its key a request can be sent again and runs once. */
const withKey = (request: ExecutionRequestInput) =>
  Effect.map(Effect.all([digits, digits]), (random) => ({
    ...request,
    idempotencyKey: request.idempotencyKey ?? random.join("-")
  }))

/** A client whose methods are the contract's endpoints; errors are the contract's too. */
export const make = (options: ClientOptions) =>
  Effect.gen(function* () {
    const client = yield* derived(options)
    const http = authorized(options)(yield* HttpClient.HttpClient).pipe(
      HttpClient.mapRequest(HttpClientRequest.prependUrl(options.url))
    )
    // HttpApi has no words for a body that may be left out.
    const kill = <WithResponse extends boolean = false>(request: KillRequest<WithResponse>) =>
      client.admin.kill<WithResponse>({ payload: {}, ...request })
    const killOwn = <WithResponse extends boolean = false>(request: KillRequest<WithResponse>) =>
      client.executions.kill<WithResponse>({ payload: {}, ...request })

    /** The updates of an execution, each once; after a lost connection it asks again for the rest. */
    const updates = (executionId: string, following?: ExecutionStream.FollowOptions) =>
      ExecutionStream.follow(http, executionId, following)

    /** Begins an execution that goes on without its caller; an answer that was lost is asked for again. */
    const submit = (request: ExecutionRequestInput) =>
      Effect.flatMap(withKey(request), (payload) =>
        Effect.retry(client.streams.submit({ payload }), { while: isLost, schedule: resend })
      )

    /**
     * Begins an execution and gives its updates, each once, also when connections are lost. Who stops reading does not
     * end it: that takes a kill.
     */
    const stream = (request: ExecutionRequestInput, following?: ExecutionStream.FollowOptions) =>
      Stream.unwrap(Effect.map(submit(request), ({ executionId }) => updates(executionId, following)))
    return {
      ...client,
      admin: { ...client.admin, kill },
      executions: { ...client.executions, kill: killOwn },
      updates,
      submit,
      stream
    }
  })
