import { canonicalName } from "@bulkhead/domain"
import { Data, Option } from "effect"

/** What the first bytes of a client of TLS say. */
export type ClientHello = Data.TaggedEnum<{
  /** More bytes are needed to tell. */
  Partial: Record<never, never>
  /** A whole ClientHello. None: it names no server. */
  Whole: { readonly serverName: Option.Option<string> }
  /** It begins like TLS and is none, or none that everybody would read alike. */
  Malformed: Record<never, never>
}>
export const ClientHello = Data.taggedEnum<ClientHello>()

/** The type of the record that TLS begins with. */
export const HANDSHAKE = 22
const CLIENT_HELLO = 1
const SERVER_NAME = 0
const HOST_NAME = 0
const LARGEST_RECORD = 16_384
/** Of a whole hello: with keys against quantum computers it has some 2 KiB. */
const LARGEST_HELLO = 32_768
/** Clients use one or two: more only make work. */
const MOST_RECORDS = 512

/** Takes pieces from the front of bytes. `undefined`: there are too few. */
class Reader {
  private at = 0
  private readonly bytes: Buffer

  constructor(bytes: Buffer) {
    this.bytes = bytes
  }

  get isEmpty(): boolean {
    return this.at === this.bytes.length
  }

  piece(length: number | undefined): Buffer | undefined {
    if (length === undefined || length > this.bytes.length - this.at) return undefined
    this.at += length
    return this.bytes.subarray(this.at - length, this.at)
  }

  number(width: number): number | undefined {
    return this.piece(width)?.readUIntBE(0, width)
  }

  /** What has its length before it, in so many bytes. */
  vector(width: number): Reader | undefined {
    const piece = this.piece(this.number(width))
    return piece === undefined ? undefined : new Reader(piece)
  }

  rest(): string {
    return this.bytes.toString("latin1", this.at)
  }
}

/** The bytes of the first handshake message, put together from its records. */
const messageOf = (bytes: Buffer): Buffer | "partial" | "malformed" => {
  const reader = new Reader(bytes)
  const space = Buffer.alloc(bytes.length)
  let filled = 0
  for (let records = 0; records < MOST_RECORDS; records++) {
    const [type, major, , length] = [reader.number(1), reader.number(1), reader.number(1), reader.number(2)]
    if ((type ?? HANDSHAKE) !== HANDSHAKE || (major ?? 3) !== 3) return "malformed"
    if (length === undefined) return "partial"
    if (length === 0 || length > LARGEST_RECORD) return "malformed"
    const fragment = reader.piece(length)
    if (fragment === undefined) return "partial"
    filled += fragment.copy(space, filled)
    if (filled < 4) continue
    const whole = 4 + space.readUIntBE(1, 3)
    if (space[0] !== CLIENT_HELLO || whole > LARGEST_HELLO) return "malformed"
    // Nothing else may stand in the same record, since there is nothing else to say yet.
    if (filled > whole) return "malformed"
    if (filled === whole) return space.subarray(4, whole)
  }
  return "malformed"
}

/** The one name of the extension. `undefined`: it is not as it should be. */
const nameIn = (extension: Reader): string | undefined => {
  const list = extension.vector(2)
  if (list === undefined || !extension.isEmpty || list.number(1) !== HOST_NAME) return undefined
  const name = list.vector(2)
  if (name === undefined || !list.isEmpty) return undefined
  const text = name.rest()
  return text.endsWith(".") ? undefined : Option.getOrUndefined(canonicalName(text))
}

const serverNameOf = (hello: Reader): Option.Option<string> | undefined => {
  // Version and random; session; ciphers; compressions.
  const before = [hello.piece(34), hello.vector(1), hello.vector(2), hello.vector(1)]
  if (before.includes(undefined)) return undefined
  if (hello.isEmpty) return Option.none()
  const extensions = hello.vector(2)
  if (extensions === undefined || !hello.isEmpty) return undefined
  const seen = new Set<number>()
  let found = Option.none<string>()
  while (!extensions.isEmpty) {
    const type = extensions.number(2)
    const extension = extensions.vector(2)
    if (type === undefined || extension === undefined || seen.has(type)) return undefined
    seen.add(type)
    if (type !== SERVER_NAME) continue
    const name = nameIn(extension)
    if (name === undefined) return undefined
    found = Option.some(name)
  }
  return found
}

/** Reads what a client of TLS says first, and whom it asks for. */
export const parse = (bytes: Buffer): ClientHello => {
  const message = messageOf(bytes)
  if (message === "partial")
    return bytes.length > 2 * LARGEST_HELLO ? ClientHello.Malformed() : ClientHello.Partial()
  const serverName = message === "malformed" ? undefined : serverNameOf(new Reader(message))
  return serverName === undefined ? ClientHello.Malformed() : ClientHello.Whole({ serverName })
}
