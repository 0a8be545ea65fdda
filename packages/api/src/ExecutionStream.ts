import { ExecutionUpdate, type UpdateId } from "@bulkhead/domain"
import {
  type HttpClient,
  type HttpClientError,
  HttpClientRequest,
  HttpClientResponse
} from "@effect/platform"
import { Data, Duration, Effect, type ParseResult, Ref, Schedule, Schema, Stream } from "effect"
import {
  BadRequest,
  ErrorBody,
  Forbidden,
  NotFound,
  ServerFault,
  StoreUnavailable,
  TooManyRequests,
  Unauthorized
} from "./ApiErrors.js"
import * as ServerSentEvents from "./ServerSentEvents.js"

/** The connection ended before the execution's last update. Seen only by who has run out of tries. */
export class StreamLost extends Data.TaggedError("StreamLost")<{ readonly message: string }> {}

/** Why updates cannot be read. Of these, lost connections and what passes are met by asking again. */
export type StreamFailure =
  | StreamLost
  | BadRequest
  | Unauthorized
  | Forbidden
  | NotFound
  | TooManyRequests
  | ServerFault
  | StoreUnavailable
  | HttpClientError.HttpClientError
  | ParseResult.ParseError

/** A server that is there sends something every 15 seconds. */
const longestSilence = Duration.seconds(60)

/** Soon at first, then every five seconds, for five minutes without any update. */
const usualRetries = Schedule.exponential("200 millis").pipe(
  Schedule.union(Schedule.spaced("5 seconds")),
  Schedule.jittered,
  Schedule.upTo("5 minutes")
)

export interface FollowOptions {
  /** The id of the last update that was seen. None by default: from the beginning. */
  readonly after?: UpdateId | undefined
  /** When to ask again after a lost connection; begins anew with each update. For five minutes by default. */
  readonly retries?: Schedule.Schedule<unknown, StreamFailure> | undefined
}

/** Whether it may pass: a lost connection, or what is refused for now. Only then is anything asked for again. */
export const isPassing = (failure: StreamFailure): boolean => {
  switch (failure._tag) {
    case "StreamLost":
    case "TooManyRequests":
    case "StoreUnavailable":
      return true
    case "RequestError":
      return failure.reason === "Transport"
    case "ResponseError":
      return failure.response.status >= 500 || failure.reason !== "StatusCode"
    default:
      return false
  }
}

const errors = {
  400: BadRequest,
  401: Unauthorized,
  403: Forbidden,
  404: NotFound,
  429: TooManyRequests,
  503: StoreUnavailable
} as const

const refusal = (response: HttpClientResponse.HttpClientResponse) =>
  Effect.flatMap(
    HttpClientResponse.schemaBodyJson(ErrorBody)(response),
    ({ error }): Effect.Effect<never, StreamFailure> => {
      const Refused = errors[response.status as keyof typeof errors] ?? ServerFault
      return Effect.fail(new Refused({ error }))
    }
  )

const decodeUpdate = Schema.decode(Schema.parseJson(ExecutionUpdate))

const knownTypes: ReadonlyArray<string> = ExecutionUpdate.members.flatMap(
  ({ fields }) => fields.type.literals
)

const lost = (message: string) => () => new StreamLost({ message })

/** One connection, as long as it lasts. */
const connection = (
  client: HttpClient.HttpClient,
  executionId: string,
  after: UpdateId | undefined
): Stream.Stream<ExecutionUpdate, StreamFailure> =>
  Effect.gen(function* () {
    const request = HttpClientRequest.get(`/api/executions/${encodeURIComponent(executionId)}/events`, {
      headers: { accept: "text/event-stream", ...(after && { "last-event-id": after }) }
    })
    const response = yield* client.execute(request)
    if (response.status === 204) return Stream.empty
    if (response.status !== 200) return yield* refusal(response)
    return response.stream.pipe(
      Stream.timeoutFail(lost("Nothing came for a minute"), longestSilence),
      ServerSentEvents.decode,
      // A later server may tell of more.
      Stream.filter(({ event }) => knownTypes.includes(event)),
      Stream.mapEffect(({ data }) => decodeUpdate(data))
    )
  }).pipe(Stream.unwrapScoped)

const isLast = ({ type }: ExecutionUpdate) => type === "result" || type === "ended"

/**
 * The updates of an execution, each once, over as many connections as it takes. That a server shuts down is but another
 * lost connection. Updates of types that this version does not know are passed over.
 */
export const follow = (
  client: HttpClient.HttpClient,
  executionId: string,
  { after, retries = usualRetries }: FollowOptions = {}
): Stream.Stream<ExecutionUpdate, StreamFailure> =>
  Effect.map(Ref.make(after), (seen) => {
    const more = Effect.map(Ref.get(seen), (after) => connection(client, executionId, after)).pipe(
      Stream.unwrap,
      Stream.filter(({ type }) => type !== "closing"),
      Stream.tap(({ id }) => Ref.set(seen, id))
    )
    const cutOff = Stream.unwrap(
      Effect.map(Ref.get(seen), (last) =>
        last === "end" ? Stream.empty : Stream.fail(lost("The connection ended before the execution")())
      )
    )
    return Stream.concat(more, cutOff).pipe(
      Stream.retry(Schedule.whileInput(retries, isPassing)),
      Stream.takeUntil(isLast)
    )
  }).pipe(Stream.unwrap)
