import type * as Http from "node:http"
import type { Duplex } from "node:stream"
import { Effect } from "effect"

/** Waits until a connection, or an answer's, is closed or cut. */
export const closed = (connection: Duplex | Http.ServerResponse) =>
  Effect.async<void>((resume) => {
    const onClose = () => resume(Effect.void)
    if (connection.closed || connection.destroyed) return onClose()
    connection.once("close", onClose)
    return Effect.sync(() => connection.off("close", onClose))
  })
