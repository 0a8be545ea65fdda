import { Option, Stream } from "effect"

/** One event of a stream of server-sent events. */
export interface ServerSentEvent {
  /** What a reader gives back to read on. */
  readonly id?: string | undefined
  readonly event: string
  readonly data: string
}

/** An event as it is sent. Its data is one line, as JSON is. */
export const encode = ({ data, event, id }: ServerSentEvent): string =>
  `${id === undefined ? "" : `id: ${id}\n`}event: ${event}\ndata: ${data}\n\n`

/** What is sent so that the connection is seen to live. Readers pass it over. */
export const comment = ": \n\n"

/** An event of which not all lines have come. */
interface Partial {
  readonly id?: string
  readonly event?: string
  readonly data: ReadonlyArray<string>
}

const nothing: Partial = { data: [] }

const plus = (partial: Partial, line: string): Partial => {
  const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/s.exec(line) ?? []
  switch (field) {
    case "id":
      return { ...partial, id: value }
    case "event":
      return { ...partial, event: value }
    case "data":
      return { ...partial, data: [...partial.data, value] }
    default:
      return partial
  }
}

const whole = ({ data, event = "message", id }: Partial): Option.Option<ServerSentEvent> =>
  data.length === 0 ? Option.none() : Option.some({ event, data: data.join("\n"), id })

/** The events of a stream. One that is broken off is none. */
export const decode = <E, R>(bytes: Stream.Stream<Uint8Array, E, R>): Stream.Stream<ServerSentEvent, E, R> =>
  bytes.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.mapAccum(nothing, (partial, line): [Partial, Option.Option<ServerSentEvent>] =>
      line === "" ? [nothing, whole(partial)] : [plus(partial, line), Option.none()]
    ),
    Stream.filterMap((event) => event)
  )
