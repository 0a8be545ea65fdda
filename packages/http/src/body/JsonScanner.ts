import { shownName } from "@bulkhead/domain"

/** What a JSON value may have at most. */
export interface Bounds {
  /** Arrays and objects within each other; at most 30. */
  readonly depth: number
  /** Elements of arrays and members of objects, all together. */
  readonly elements: number
}

/** What keeps bytes from being a JSON value within its bounds. */
export interface Flaw {
  /** The member of the outermost object in which it is; if it is in none, what the whole value is called. */
  readonly field: string
  /** With the place, counted in bytes. */
  readonly message: string
}

/** The bytes are no JSON, for this reason. */
const broken = (reason: string) => `expected JSON in UTF-8, but ${reason}`

type State = "Value" | "FirstElement" | "FirstKey" | "Key" | "Colon" | "End" | "Token" | "Text" | "Name"

const code = (character: string) => character.charCodeAt(0)

const quote = code('"')
const backslash = code("\\")
const openArray = code("[")
const closeArray = code("]")
const openObject = code("{")
const closeObject = code("}")
const comma = code(",")
const colon = code(":")

const isSpace = (byte: number) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
const startsToken = new Set([..."-0123456789tfn"].map(code))
const continuesToken = new Set([..."+-.0123456789Eaeflnrstu"].map(code))

/** Most bytes of a name that are remembered. */
const mostOfName = 100

const expectations: Record<Exclude<State, "Token" | "Text" | "Name">, string> = {
  Value: "value",
  FirstElement: "value or ]",
  FirstKey: "name in quotes or }",
  Key: "name in quotes",
  Colon: "colon",
  End: "comma or the end of the array or object"
}

/**
 * Looks once at the bytes of a JSON value, piece by piece, before anything is made of them: how deep and how many its
 * parts are, and whether they are where JSON has them. What a text, a number or a word is made of is for the parser.
 */
export class JsonScanner {
  private state: State = "Value"
  private isEscaped = false
  private depth = 0
  /** One bit for each level, the innermost last: whether it is an object. */
  private objects = 0
  private elements = 0
  /** Bytes of the pieces before this one. */
  private before = 0
  private name: Array<number> = []
  /** Whether the text is the name of a member. */
  private isName = false

  private readonly bounds: Bounds
  private readonly whole: string

  /** `whole` is what the value as a whole is called. */
  constructor(bounds: Bounds, whole = "body") {
    this.bounds = bounds
    this.whole = whole
  }

  /** Looks at the next piece. */
  push(piece: Uint8Array): Flaw | undefined {
    let next = 0
    while (next < piece.length) {
      if (this.state === "Text") next = this.text(piece, next)
      else if (this.state === "Name") next = this.memberName(piece, next)
      else {
        const flaw = this.structure(piece[next] ?? 0)
        if (flaw !== undefined) return this.flaw(flaw, this.before + next)
        next++
      }
    }
    this.before += piece.length
    return undefined
  }

  /** After the last piece. */
  end(): Flaw | undefined {
    const isWhole = this.depth === 0 && (this.state === "End" || this.state === "Token")
    return isWhole ? undefined : this.flaw(broken("it ends too early"), this.before)
  }

  private flaw(message: string, at: number): Flaw {
    const name = new TextDecoder().decode(new Uint8Array(this.name))
    const field = name === "" ? this.whole : shownName(name)
    return { field, message: `${field}: ${message}, at byte ${at + 1}` }
  }

  /** Goes on to the end of a text, or of the piece. */
  private text(piece: Uint8Array, from: number): number {
    for (let start = from; ; ) {
      const found = piece.indexOf(quote, start)
      const end = found < 0 ? piece.length : found
      const isEscaped = this.endsEscaped(piece, start, end)
      this.isEscaped = found < 0 && isEscaped
      if (found < 0) return end
      if (!isEscaped) {
        this.state = this.afterText()
        return end + 1
      }
      start = end + 1
    }
  }

  /** Whether the backslashes before a place escape what is there. */
  private endsEscaped(piece: Uint8Array, start: number, end: number): boolean {
    let slashes = 0
    while (end - slashes > start && piece[end - slashes - 1] === backslash) slashes++
    const isCarried = end - slashes === start && this.isEscaped
    return (slashes + (isCarried ? 1 : 0)) % 2 === 1
  }

  private afterText(): State {
    return this.isName ? "Colon" : "End"
  }

  /** The same for a name of the outermost object, which is remembered. */
  private memberName(piece: Uint8Array, from: number): number {
    this.state = "Text"
    const next = this.text(piece, from)
    const isOver = this.state !== "Text"
    if (!isOver) this.state = "Name"
    const bytes = piece.subarray(from, isOver ? next - 1 : next)
    this.name.push(...bytes.subarray(0, mostOfName - this.name.length))
    return next
  }

  private structure(byte: number): string | undefined {
    if (this.state === "Token") {
      if (continuesToken.has(byte)) return undefined
      this.state = "End"
    }
    if (isSpace(byte)) return undefined
    switch (this.state) {
      case "FirstElement":
        return byte === closeArray ? this.close() : this.value(byte)
      case "Value":
        return this.value(byte)
      case "FirstKey":
        return byte === closeObject ? this.close() : this.key(byte)
      case "Key":
        return this.key(byte)
      case "Colon":
        if (byte !== colon) return this.unexpected()
        this.state = "Value"
        return undefined
      default:
        return this.next(byte)
    }
  }

  private unexpected(): string {
    return broken(`there is no ${expectations[this.state as keyof typeof expectations]}`)
  }

  private get inObject(): boolean {
    return (this.objects & 1) === 1
  }

  private value(byte: number): string | undefined {
    if (byte === openArray) return this.open(false)
    if (byte === openObject) return this.open(true)
    if (byte === quote) {
      this.isName = false
      this.state = "Text"
      return undefined
    }
    if (!startsToken.has(byte)) return this.unexpected()
    this.state = "Token"
    return undefined
  }

  private key(byte: number): string | undefined {
    if (byte !== quote) return this.unexpected()
    this.isName = true
    this.state = this.depth === 1 ? "Name" : "Text"
    if (this.depth === 1) this.name = []
    return undefined
  }

  /** After a value. */
  private next(byte: number): string | undefined {
    if (this.depth === 0) return broken("something follows the value")
    if (byte === (this.inObject ? closeObject : closeArray)) return this.close()
    if (byte !== comma) return this.unexpected()
    this.state = this.inObject ? "Key" : "Value"
    return this.count()
  }

  private open(isObject: boolean): string | undefined {
    this.depth++
    if (this.depth > this.bounds.depth)
      return `expected at most ${this.bounds.depth} levels of arrays and objects`
    this.objects = (this.objects << 1) | (isObject ? 1 : 0)
    this.state = isObject ? "FirstKey" : "FirstElement"
    return this.count()
  }

  private close(): undefined {
    this.depth--
    this.objects >>>= 1
    this.state = "End"
    if (this.depth === 0) this.name = []
  }

  /** An array or an object counts as one element more than it has commas. */
  private count(): string | undefined {
    this.elements++
    return this.elements > this.bounds.elements
      ? `expected at most ${this.bounds.elements} elements of arrays and members of objects in all`
      : undefined
  }
}
