/** A text that must not be seen, and what is shown in its place: as much of it, or as often, as the text is long. */
export interface HiddenText {
  readonly value: string
  readonly shown: string
}

/** One way in which a hidden text may be written down. */
interface Form {
  readonly bytes: Buffer
  readonly shown: Buffer
  /** The length of the longest beginning of the form that each of its own beginnings ends with. */
  readonly borders: Uint32Array
}

const percent = (byte: number) => `%${byte.toString(16).padStart(2, "0").toUpperCase()}`

const lowerPercent = (text: string) => text.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())

const strictUrl = (value: string) =>
  encodeURIComponent(value).replace(/[!'()*]/g, (character) => percent(character.charCodeAt(0)))

const escapedBy = (value: string, entities: Readonly<Record<string, string>>) =>
  [...value].map((character) => entities[character] ?? character).join("")

const htmlForms = (value: string) =>
  ["&#39;", "&#x27;", "&apos;"].flatMap((apostrophe) =>
    ["&quot;", "&#34;"].map((quote) =>
      escapedBy(value, { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': quote, "'": apostrophe })
    )
  )

const jsonForms = (value: string) => {
  const escaped = JSON.stringify(value).slice(1, -1)
  const html = escapedBy(escaped, { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027" })
  return [escaped, escaped.replaceAll("/", "\\/"), html, html.replaceAll("'", "\\u0027")]
}

/** What base64 has of a text that begins `before` bytes behind a border of three, without what its neighbours decide. */
const base64Within = (bytes: Buffer, before: number) => {
  const letters = Buffer.concat([Buffer.alloc(before), bytes]).toString("base64")
  return letters.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6))
}

const base64Forms = (bytes: Buffer) =>
  [0, 1, 2].flatMap((before) => {
    const letters = base64Within(bytes, before)
    return [letters, letters.replaceAll("+", "-").replaceAll("/", "_")]
  })

const reversed = (value: string) => [...value].reverse().join("")

/** The ways in which services and libraries write a text down, as it is and encoded. */
const textsOf = (value: string) => {
  const bytes = Buffer.from(value)
  const hex = bytes.toString("hex")
  const everyByte = [...bytes].map(percent).join("")
  const url = strictUrl(value)
  const form = new URLSearchParams([["", value]]).toString().slice(1)
  const urls = [encodeURIComponent(value), url, url.replaceAll("%20", "+"), form, everyByte]
  return new Set([
    value,
    ...urls,
    ...urls.map(lowerPercent),
    ...jsonForms(value),
    ...htmlForms(value),
    ...base64Forms(bytes),
    hex,
    hex.toUpperCase(),
    reversed(value)
  ])
}

const bordersOf = (bytes: Buffer) => {
  const borders = new Uint32Array(bytes.length)
  for (let at = 1, border = 0; at < bytes.length; at++) {
    while (border > 0 && bytes[at] !== bytes[border]) border = borders[border - 1] ?? 0
    if (bytes[at] === bytes[border]) border++
    borders[at] = border
  }
  return borders
}

/** How many of the last bytes may be the beginning of a form, after as many were before these bytes. */
const beginningAtEnd = (bytes: Buffer, form: Form, before: number) => {
  const reach = form.bytes.length - 1
  let matched = bytes.length >= reach ? 0 : before
  for (let at = Math.max(0, bytes.length - reach); at < bytes.length; at++) {
    while (matched > 0 && bytes[at] !== form.bytes[matched]) matched = form.borders[matched - 1] ?? 0
    if (bytes[at] === form.bytes[matched]) matched++
  }
  return matched
}

/** So that what says how long a text is stays true. */
const shownAs = (shown: string, bytes: Buffer) => Buffer.alloc(bytes.length, shown)

const nothing = Buffer.alloc(0)

/** What a stream of bytes has that is hidden, found also where it lies across the border of two chunks. */
export interface StreamMask {
  /** The bytes that are sure by now, masked. */
  readonly next: (bytes: Uint8Array) => Buffer
  /** What is left when no more will come. */
  readonly end: () => Buffer
  /** Whether anything was masked so far. */
  readonly hasMasked: () => boolean
}

/**
 * Finds texts in what is read, and shows something else in their place: as they are, in URLs, in JSON and HTML, in
 * base64 at any place, in hex, and backwards.
 */
export class SecretForms {
  private readonly forms: ReadonlyArray<Form>

  constructor(hidden: ReadonlyArray<HiddenText>) {
    this.forms = hidden
      .flatMap(({ shown, value }) =>
        [...textsOf(value)]
          .map((text) => Buffer.from(text))
          // What base64 has of one character may be nothing, which is found everywhere.
          .filter(({ length }) => length > 0)
          .map((bytes) => ({ bytes, shown: shownAs(shown, bytes) }))
      )
      // A longer text may hold a shorter one.
      .sort((one, other) => other.bytes.length - one.bytes.length)
      .map((form) => ({ ...form, borders: bordersOf(form.bytes) }))
  }

  /** The text with what is hidden in it masked. */
  inText(text: string): string {
    const bytes = Buffer.from(text)
    const masked = this.inBytes(bytes)
    return masked === bytes ? text : masked.toString()
  }

  /** Whether there is anything to hide in a text or in bytes. */
  isIn(text: string | Uint8Array): boolean {
    const bytes = Buffer.from(text)
    return this.forms.some((form) => bytes.includes(form.bytes))
  }

  /** The same bytes, or masked ones. */
  private inBytes(bytes: Buffer): Buffer {
    return this.forms.reduce((sofar, { bytes: form, shown }) => {
      let at = sofar.indexOf(form)
      if (at < 0) return sofar
      const parts: Array<Buffer> = []
      let from = 0
      for (; at >= 0; at = sofar.indexOf(form, from)) {
        parts.push(sofar.subarray(from, at), shown)
        from = at + form.length
      }
      return Buffer.concat([...parts, sofar.subarray(from)])
    }, bytes)
  }

  /** For one stream. */
  stream(): StreamMask {
    let held: Buffer = nothing
    /** How much of each form `held` ends with. */
    let open: ReadonlyArray<number> = this.forms.map(() => 0)
    let hasMasked = false
    /** What has begun before is looked for no further back: chunks may be small, and many. */
    const isWhole = (all: Buffer, fresh: number) =>
      this.forms.some((form, index) => {
        const reach = (open[index] ?? 0) + fresh
        return reach >= form.bytes.length && all.indexOf(form.bytes, all.length - reach) >= 0
      })
    return {
      next: (chunk) => {
        const bytes = Buffer.from(chunk)
        let all: Buffer = held.length === 0 ? bytes : Buffer.concat([held, bytes])
        if (isWhole(all, bytes.length)) {
          hasMasked = true
          all = this.inBytes(all)
          open = this.forms.map((form) => beginningAtEnd(all, form, 0))
        } else open = this.forms.map((form, index) => beginningAtEnd(bytes, form, open[index] ?? 0))
        const kept = open.reduce((most, each) => Math.max(most, each), 0)
        held = all.subarray(all.length - kept)
        return all.subarray(0, all.length - kept)
      },
      end: () => {
        const rest = held
        held = nothing
        open = this.forms.map(() => 0)
        return rest
      },
      hasMasked: () => hasMasked
    }
  }
}
