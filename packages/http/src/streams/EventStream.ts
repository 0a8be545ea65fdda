import { ServerSentEvents } from "@bulkhead/api"
import type { ExecutionUpdate } from "@bulkhead/domain"
import { SteadyClock } from "@bulkhead/sandbox"
import { type HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Cause, Duration, Effect, Ref, Stream } from "effect"
import * as Connection from "../Connection.js"

/** Proxies cut connections on which nothing comes for a minute or less. */
const keepaliveInterval = Duration.seconds(15)

/** A reader who has taken nothing for so long, though there is always a keepalive to take, will not come back. */
const longestStall = Duration.minutes(2)

const headers = {
  "content-type": "text/event-stream",
  "cache-control": "no-store",
  // Nginx would hold events back.
  "x-accel-buffering": "no"
}

/** An update has no field whose encoded form is another. */
const frameOf = (update: typeof ExecutionUpdate.Encoded) =>
  ServerSentEvents.encode({ id: update.id, event: update.type, data: JSON.stringify(update) })

const keepalives = Stream.repeatEffect(Effect.as(Effect.sleep(keepaliveInterval), ServerSentEvents.comment))

/** What goes wrong after the beginning ends the stream, so that its reader asks again. */
const untilFailure = <E>(updates: Stream.Stream<ExecutionUpdate, E>) =>
  Stream.catchAllCause(updates, (cause) =>
    Cause.isInterruptedOnly(cause)
      ? Stream.empty
      : Stream.drain(Stream.fromEffect(Effect.logError("A stream of updates was broken off", cause)))
  )

/** Cuts the connection of a reader who takes nothing any more. */
const cutStalled = <A>(request: HttpServerRequest.HttpServerRequest, stream: Stream.Stream<A>) =>
  Effect.gen(function* () {
    const lastTaken = yield* Ref.make(yield* SteadyClock.now)
    const watch = Effect.gen(function* () {
      const stalled = (yield* SteadyClock.now) - (yield* Ref.get(lastTaken))
      if (stalled >= Duration.toMillis(longestStall)) yield* Connection.cut(request)
    })
    yield* Effect.forkScoped(Effect.forever(Effect.delay(watch, keepaliveInterval)))
    return Stream.tap(stream, () => Effect.flatMap(SteadyClock.now, (now) => Ref.set(lastTaken, now)))
  }).pipe(Stream.unwrapScoped)

/** Whether a request asks for events rather than for one answer. */
export const isAskedFor = ({ headers }: HttpServerRequest.HttpServerRequest) =>
  /(^|[\s,])text\/event-stream\b/i.test(headers.accept ?? "")

/** Answers with server-sent events, each as it comes. They are read no faster than the client takes them. */
export const send = (
  request: HttpServerRequest.HttpServerRequest,
  events: Stream.Stream<string>
): HttpServerResponse.HttpServerResponse => {
  // The headers go out with the first bytes, and the first event may be long in coming.
  const frames = Stream.concat(
    Stream.make(ServerSentEvents.comment),
    Stream.merge(events, keepalives, { haltStrategy: "left" })
  )
  return HttpServerResponse.stream(cutStalled(request, Stream.encodeText(frames)), { headers })
}

/** Answers with what happens to an execution. */
export const respond = <E>(
  request: HttpServerRequest.HttpServerRequest,
  updates: Stream.Stream<ExecutionUpdate, E>
): HttpServerResponse.HttpServerResponse => send(request, Stream.map(untilFailure(updates), frameOf))
