import type { HttpServerRequest } from "@effect/platform"
import { Effect, Predicate } from "effect"

interface Destroyable {
  readonly destroy: () => void
}

const isDestroyable = (value: unknown): value is Destroyable =>
  Predicate.hasProperty(value, "destroy") && Predicate.isFunction(value.destroy)

/**
 * Cuts the connection of a request. Node's requests have their socket, and a stream that fails would leave it open; a
 * fetch-style server cuts by itself when the stream of a response fails.
 */
export const cut = ({ source }: HttpServerRequest.HttpServerRequest) =>
  Effect.sync(() => {
    if (Predicate.hasProperty(source, "socket") && isDestroyable(source.socket)) source.socket.destroy()
  })
