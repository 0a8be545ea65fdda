import type * as Http from "node:http"
import type { Duplex } from "node:stream"
import { Effect } from "effect"

/** Waits until a connection is closed or cut, or an answer is over. */
export const closed = (connection: Duplex | Http.ServerResponse) =>
  Effect.async<void>((resume) => {
    const onClose = () => resume(Effect.void)
    if (connection.closed || connection.destroyed) return onClose()
    connection.once("close", onClose)
    return Effect.sync(() => connection.off("close", onClose))
  })

/**
 * Waits until an answer is over, or its connection: while another answer goes before it, Node does not tell it that.
 */
export const answerClosed = ({ socket }: Http.IncomingMessage, response: Http.ServerResponse) =>
  Effect.raceFirst(closed(response), closed(socket))
