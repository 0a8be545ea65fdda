import { createParser, type EventSourceMessage } from "eventsource-parser"
import { Refused, send, wordsOf } from "./Requests.js"

export interface Listener {
  readonly onEvent: (event: EventSourceMessage) => void
  /** Whether events can come at present. */
  readonly onConnected?: (isConnected: boolean) => void
  /** The server refuses, and would do so again: there will be no events. */
  readonly onRefused?: (message: string) => void
}

const soonest = 250
const latest = 5000

/** Goes on sooner when the machine is back on its network. */
const wait = (milliseconds: number, abort: AbortSignal) =>
  new Promise<void>((resolve) => {
    const over = () => {
      clearTimeout(timer)
      removeEventListener("online", over)
      abort.removeEventListener("abort", over)
      resolve()
    }
    const timer = setTimeout(over, milliseconds)
    addEventListener("online", over)
    abort.addEventListener("abort", over)
  })

/** One connection, as long as it lasts. Whether there is more to come. */
const connection = async (path: string, last: string, listener: Listener, abort: AbortSignal) => {
  const headers = { accept: "text/event-stream", ...(last && { "last-event-id": last }) }
  const response = await send(path, { headers, signal: abort })
  if (response.status === 204 || response.body === null) return false
  listener.onConnected?.(true)
  const parser = createParser({ onEvent: listener.onEvent })
  const decoder = new TextDecoder()
  const write = (bytes: Uint8Array) => parser.feed(decoder.decode(bytes, { stream: true }))
  // Not every browser can iterate over a stream.
  await response.body.pipeTo(new WritableStream({ write }))
  return true
}

/** What asking again does not change. */
const isFinal = (failure: unknown) =>
  failure instanceof Refused && failure.status < 500 && failure.status !== 429

/**
 * Reads server-sent events until it is aborted, over as many connections as it takes, each from where the one before
 * ended. An `EventSource` cannot send the header that the server wants.
 */
export const listen = async (path: string, listener: Listener, abort: AbortSignal): Promise<void> => {
  let last = ""
  let delay = soonest
  const remembering: Listener = {
    ...listener,
    onEvent: (event) => {
      delay = soonest
      last = event.id ?? last
      listener.onEvent(event)
    }
  }
  while (!abort.aborted) {
    try {
      if (!(await connection(path, last, remembering, abort))) return
    } catch (failure) {
      if (abort.aborted) return
      if (isFinal(failure)) return listener.onRefused?.(wordsOf(failure))
    } finally {
      if (!abort.aborted) listener.onConnected?.(false)
    }
    await wait(delay, abort)
    delay = Math.min(latest, delay * 2)
  }
}
