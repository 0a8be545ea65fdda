import type { HttpServerRequest } from "@effect/platform"
import { Effect, Predicate, Stream } from "effect"

/** What Node's requests have, and those of fetch-style servers have not. */
interface NodeRequest extends NodeJS.EventEmitter {
  readonly complete: boolean
  readonly destroyed: boolean
  readonly iterator: (options: { readonly destroyOnReturn: boolean }) => AsyncIterable<Uint8Array>
  readonly socket: { readonly destroy: () => void }
}

const isNodeRequest = (source: unknown): source is NodeRequest =>
  Predicate.hasProperty(source, "complete") &&
  Predicate.hasProperty(source, "iterator") &&
  Predicate.isFunction(source.iterator) &&
  Predicate.hasProperty(source, "socket") &&
  Predicate.hasProperty(source.socket, "destroy")

/**
 * Cuts the connection of a request. Node's requests have their socket, and a stream that fails would leave it open; a
 * fetch-style server cuts by itself when the stream of a response fails.
 */
export const cut = ({ source }: HttpServerRequest.HttpServerRequest) =>
  Effect.sync(() => {
    if (isNodeRequest(source)) source.socket.destroy()
  })

const piecesOf = (source: NodeRequest) =>
  Effect.acquireRelease(
    Effect.sync(() => source.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()),
    (pieces) => Effect.promise(async () => pieces.return?.())
  )

/**
 * Does something with each piece of a request's body, in turn. Nearly every request comes in one piece, for which a
 * stream costs more than all the rest of reading it. Who stops before the end can still answer: the connection stays.
 */
export const forEachPiece = Effect.fnUntraced(function* <E, E2, R>(
  request: HttpServerRequest.HttpServerRequest,
  use: (piece: Uint8Array) => Effect.Effect<unknown, E, R>,
  broken: (error: unknown) => E2
) {
  const { source } = request
  if (!isNodeRequest(source)) return yield* Stream.runForEach(Stream.mapError(request.stream, broken), use)
  const pieces = yield* piecesOf(source)
  const next = Effect.tryPromise({ try: () => pieces.next(), catch: broken })
  for (let piece = yield* next; !piece.done; piece = yield* next) yield* use(piece.value)
}, Effect.scoped)

/** The bytes of a request's body. Who stops reading before its end can still answer: the connection stays. */
export const body = (request: HttpServerRequest.HttpServerRequest): Stream.Stream<Uint8Array, unknown> => {
  const { source } = request
  return isNodeRequest(source)
    ? Stream.suspend(() =>
        Stream.fromAsyncIterable(source.iterator({ destroyOnReturn: false }), (error) => error)
      )
    : request.stream
}

/**
 * Reads what is left of a body that nobody wants, until it ends or so many bytes have come. There is no effect for each
 * piece, since there may be hundreds of thousands of one byte. A fetch-style server takes care of the rest itself.
 */
export const discard = (
  { source }: Pick<HttpServerRequest.HttpServerRequest, "source">,
  most: number
): Effect.Effect<void> =>
  isNodeRequest(source)
    ? Effect.async((resume) => {
        // Whoever has gone already is told of no more.
        if (source.destroyed) return resume(Effect.void)
        let left = most
        const count = ({ length }: Uint8Array) => {
          left -= length
          if (left <= 0) stop()
        }
        const leave = () => source.off("data", count).off("end", stop).off("close", stop)
        const stop = () => {
          leave()
          resume(Effect.void)
        }
        source.on("data", count).on("end", stop).on("close", stop)
        return Effect.sync(leave)
      })
    : Effect.void

/** Whether the whole request is here, also what nobody has read. A fetch-style server takes care of that itself. */
export const isReceived = ({ source }: HttpServerRequest.HttpServerRequest) =>
  !isNodeRequest(source) || source.complete
