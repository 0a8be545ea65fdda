import type * as Http from "node:http"
import { Effect, Option, Stream } from "effect"
import { BodyUnreadable } from "../HostErrors.js"

/** Most bytes of a body that is read whole: 10 MiB. */
const LARGEST_WHOLE = 10 * 1024 * 1024

const aborted = new BodyUnreadable({ message: "the request body could not be read" })
const tooLarge = new BodyUnreadable({ message: `the request body is larger than ${LARGEST_WHOLE} bytes` })

/** A request to the host, over node's own. */
export class HttpRequest {
  private readonly message: Http.IncomingMessage
  /** What stands for `:id` in the route's path; empty where that has none. */
  readonly id: string

  constructor(message: Http.IncomingMessage, id: string) {
    this.message = message
    this.id = id
  }

  /** A header by its name in lower case. Empty when the request does not have it. */
  header(name: string): string {
    return String(this.message.headers[name] ?? "")
  }

  /** The headers whose names begin with a prefix in lower case, by the rest of their names. */
  headersAfter(prefix: string): Readonly<Record<string, string>> {
    return Object.fromEntries(
      Object.entries(this.message.headers)
        .filter(([name]) => name.startsWith(prefix))
        .map(([name, value]) => [name.slice(prefix.length), String(value)])
    )
  }

  /** A header that holds a number above zero. */
  numberHeader(name: string): Option.Option<number> {
    return Option.filter(
      Option.some(Number(this.header(name))),
      (value) => Number.isFinite(value) && value > 0
    )
  }

  /** The parameters after the question mark. */
  get query(): URLSearchParams {
    const url = this.message.url ?? ""
    const at = url.indexOf("?")
    return new URLSearchParams(at < 0 ? "" : url.slice(at + 1))
  }

  /** The body's next bytes; fails with nothing at its end. Once there is an answer, node discards what is left. */
  readonly nextBytes: Effect.Effect<Buffer, Option.Option<BodyUnreadable>> = Effect.async((resume) => {
    const { message } = this
    const forget = () => {
      message.off("readable", look)
      message.off("end", look)
      message.off("error", look)
      message.off("close", look)
    }
    const settle = (outcome: Effect.Effect<Buffer, Option.Option<BodyUnreadable>>) => {
      forget()
      resume(outcome)
    }
    const look = () => {
      const bytes: Buffer | null = message.read()
      if (bytes !== null) settle(Effect.succeed(bytes))
      else if (message.readableEnded) settle(Effect.fail(Option.none()))
      else if (message.destroyed) settle(Effect.fail(Option.some(aborted)))
    }
    message.on("readable", look)
    message.on("end", look)
    message.on("error", look)
    message.on("close", look)
    look()
    return Effect.sync(forget)
  })

  /** The body's bytes as they come. */
  get bytes(): Stream.Stream<Uint8Array, BodyUnreadable> {
    return Stream.repeatEffectOption(this.nextBytes)
  }

  /** The whole body. */
  get body(): Effect.Effect<Buffer, BodyUnreadable> {
    return Effect.async((resume) => {
      const { message } = this
      const parts: Array<Buffer> = []
      let size = 0
      const keep = (bytes: Buffer) => {
        size += bytes.length
        parts.push(bytes)
        if (size <= LARGEST_WHOLE) return
        message.off("data", keep)
        resume(Effect.fail(tooLarge))
      }
      message.on("data", keep)
      message.on("error", () => resume(Effect.fail(aborted)))
      message.on("end", () => resume(Effect.succeed(Buffer.concat(parts))))
    })
  }
}
