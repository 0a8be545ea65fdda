import { FetchHttpClient, HttpClient, HttpClientError, type HttpClientRequest } from "@effect/platform"
import { type Duration, Effect, Layer, Ref } from "effect"
import { reasonOf } from "../Reason.js"

/** Sendings that wait for an answer at once. What comes beyond is dropped, so that a slow collector takes no memory. */
const mostAtOnce = 4

const failure = (request: HttpClientRequest.HttpClientRequest, description: string) =>
  new HttpClientError.RequestError({ request, reason: "Transport", description })

const wordsOf = (error: HttpClientError.HttpClientError) => {
  if (error._tag === "ResponseError") return `it answered ${error.response.status}`
  return error.description ?? reasonOf(error.cause)
}

/** Without what may be secret in a URL. */
const placeOf = (url: string) => {
  const { host, pathname, protocol } = new URL(url)
  return `${protocol}//${host}${pathname}`
}

/**
 * Sends to a collector, in bounded time and memory. Says once that it cannot be reached, and once when it is there
 * again.
 */
export const layer = (timeout: Duration.Duration): Layer.Layer<HttpClient.HttpClient> =>
  Layer.effect(
    HttpClient.HttpClient,
    Effect.gen(function* () {
      const client = HttpClient.filterStatusOk(yield* HttpClient.HttpClient)
      const lost = yield* Ref.make(false)
      const underWay = yield* Ref.make(0)
      const tell = (isLost: boolean, words: Effect.Effect<void>) =>
        Effect.flatMap(Ref.getAndSet(lost, isLost), (before) => (before === isLost ? Effect.void : words))

      return HttpClient.transform(client, (send, request) =>
        Effect.acquireUseRelease(
          Ref.updateAndGet(underWay, (count) => count + 1),
          (count) => (count > mostAtOnce ? failure(request, "it is too slow") : send),
          () => Ref.update(underWay, (count) => count - 1)
        ).pipe(
          Effect.timeoutFail({
            duration: timeout,
            onTimeout: () => failure(request, "it did not answer in time")
          }),
          Effect.tapBoth({
            onFailure: (error) =>
              tell(
                true,
                Effect.logWarning(
                  `The collector at ${placeOf(request.url)} does not take what is sent: ${wordsOf(error)}; it is tried again`
                )
              ),
            onSuccess: () =>
              tell(false, Effect.logInfo(`The collector at ${placeOf(request.url)} takes it again`))
          })
        )
      )
    })
  ).pipe(Layer.provide(FetchHttpClient.layer))
