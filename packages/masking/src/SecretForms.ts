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

const hexOf = (byte: number) => byte.toString(16).padStart(2, "0")

const percent = (byte: number) => `%${hexOf(byte).toUpperCase()}`

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

/** .NET writes these in JSON by their numbers. */
const numberedByDotNet = /["&'+<>`]/g

const jsonForms = (value: string) => {
  const escaped = JSON.stringify(value).slice(1, -1)
  const html = escapedBy(escaped, { "<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "'": "\\u0027" })
  const dotNet = value
    .replaceAll("\\", "\\\\")
    .replace(numberedByDotNet, (each) => `\\u00${hexOf(each.charCodeAt(0)).toUpperCase()}`)
  return [escaped, escaped.replaceAll("/", "\\/"), html, html.replaceAll("'", "\\u0027"), dotNet]
}

/** Each byte by its number: in hex with something between, and as JSON, HTML and programs escape what they like to. */
const numberedForms = (bytes: Buffer) => {
  const each = (spell: (hex: string) => string) =>
    [hexOf, (byte: number) => hexOf(byte).toUpperCase()].map((hex) =>
      [...bytes].map((byte) => spell(hex(byte))).join("")
    )
  return [
    ...each((hex) => `${hex} `).map((text) => text.trimEnd()),
    ...each((hex) => `${hex}:`).map((text) => text.slice(0, -1)),
    ...each((hex) => `\\x${hex}`),
    ...each((hex) => `\\u00${hex}`),
    ...each((hex) => `&#x${hex};`).map((text) => text.slice(0, -1)),
    [...bytes].map((byte) => `&#${byte}`).join(";")
  ]
}

/**
 * What base64 has of a text that begins `before` bytes behind a border of three, without what its neighbours decide.
 */
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
    ...numberedForms(bytes),
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

/** So that what says how long a text is stays true. */
const shownAs = (shown: string, bytes: Buffer) => Buffer.alloc(bytes.length, shown)

/** Beginnings of as many bytes are looked for, all at once; a form whose beginning is there is then followed. */
const mostTelling = 3
const slots = 65_536
const slotOf = (key: number) => Math.imul(key, 0x9e3779b1) >>> 16

const keyOf = (bytes: Buffer) => bytes.reduce((key, byte) => (key << 8) | byte, 0)

/** What all searches for the same forms share. */
interface Index {
  readonly forms: ReadonlyArray<Form>
  /** How many bytes the beginnings have. */
  readonly telling: number
  /** The forms with each beginning, by their places. */
  readonly begins: ReadonlyMap<number, ReadonlyArray<number>>
  /** Which beginnings there may be. */
  readonly slots: Uint8Array
  /** Shorter beginnings, by their lengths. */
  readonly shorter: ReadonlyArray<ReadonlySet<number>>
}

const indexOf = (forms: ReadonlyArray<Form>): Index => {
  const telling = forms.reduce((least, { bytes }) => Math.min(least, bytes.length), mostTelling)
  const beginnings = (length: number) => forms.map(({ bytes }) => keyOf(bytes.subarray(0, length)))
  const begins = new Map<number, Array<number>>()
  const present = new Uint8Array(slots)
  for (const [place, key] of beginnings(telling).entries()) {
    begins.set(key, [...(begins.get(key) ?? []), place])
    present[slotOf(key)] = 1
  }
  const shorter = Array.from({ length: telling }, (_, length) => new Set(beginnings(length)))
  return { forms, telling, begins, slots: present, shorter }
}

/** A form that was found. */
interface Found {
  readonly form: Form
  /** Counted from the first of the bytes that were looked at last; negative: before them. */
  readonly start: number
}

/**
 * Looks for all forms at once in bytes that come in pieces. What it costs does not depend on how many forms there are.
 */
class Search {
  private readonly index: Index
  private readonly mask: number
  /** The last bytes, as many as tell. */
  private last = 0
  /** The forms of which more than the beginning is there, by their places, and how much of each. */
  private readonly followed: Array<number> = []
  private readonly matched: Uint32Array

  constructor(index: Index) {
    this.index = index
    this.mask = 2 ** (8 * index.telling) - 1
    this.matched = new Uint32Array(index.forms.length)
  }

  /** What ends in these bytes. */
  next(bytes: Buffer): Array<Found> {
    const found: Array<Found> = []
    for (let at = 0; at < bytes.length; at++) {
      const byte = bytes[at] ?? 0
      this.last = ((this.last << 8) | byte) & this.mask
      if (this.followed.length > 0) this.follow(byte, at, found)
      if (this.index.slots[slotOf(this.last)]) this.begin(at, found)
    }
    return found
  }

  /** How many of the last bytes may be the beginning of a form. */
  open(): number {
    const most = this.followed.reduce((most, place) => Math.max(most, this.matched[place] ?? 0), 0)
    if (most > 0) return most
    const shorter = this.index.shorter.findLastIndex((keys, length) =>
      keys.has(this.last & (2 ** (8 * length) - 1))
    )
    return Math.max(shorter, 0)
  }

  private begin(at: number, found: Array<Found>): void {
    for (const place of this.index.begins.get(this.last) ?? [])
      if (this.matched[place] === 0) this.keep(place, this.index.telling, at, found)
  }

  private follow(byte: number, at: number, found: Array<Found>): void {
    for (const place of this.followed.splice(0)) {
      const { borders, bytes } = this.index.forms[place] ?? { borders: [], bytes: [] }
      let matched = this.matched[place] ?? 0
      while (matched > 0 && byte !== bytes[matched]) matched = borders[matched - 1] ?? 0
      if (byte === bytes[matched]) matched++
      this.keep(place, matched, at, found)
    }
  }

  private keep(place: number, matched: number, at: number, found: Array<Found>): void {
    const form = this.index.forms[place]
    const isWhole = form?.bytes.length === matched
    if (form && isWhole) found.push({ form, start: at + 1 - matched })
    const isFollowed = !isWhole && matched >= this.index.telling
    this.matched[place] = isFollowed ? matched : 0
    if (isFollowed) this.followed.push(place)
  }
}

/** The bytes with what was found in them masked; of what overlaps, the longest that begins first is shown whole. */
const maskedWith = (bytes: Buffer, found: ReadonlyArray<Found>): Buffer => {
  if (found.length === 0) return bytes
  const masked = Buffer.from(bytes)
  const inOrder = found.toSorted(
    (one, other) => one.start - other.start || other.form.bytes.length - one.form.bytes.length
  )
  let done = 0
  for (const { form, start } of inOrder) {
    const from = Math.max(start, done)
    form.shown.copy(masked, from, Math.min(from - start, form.shown.length))
    done = Math.max(done, start + form.shown.length)
  }
  return masked
}

const nothing = Buffer.alloc(0)

/** What lines of base64 and hex are made of, by the numbers of bytes. */
const isOfLines = Array.from({ length: 256 }, (_, byte) => /[A-Za-z0-9+/=_-]/.test(String.fromCharCode(byte)))

/** Base64 comes in lines of 60 to 76 characters: a text that has such a line is one with the next. */
const leastLine = 40

/** How such a line ends, also where it stands in a text of JSON or of a program's. */
const lineEnds = ["\r\n", "\n", "\\r\\n", "\\n"].map((end) => Buffer.from(end))

/** How long the end of a line is that is here; 0: there is none. `undefined`: more bytes are needed to tell. */
const lineEndAt = (bytes: Buffer, at: number): number | undefined => {
  const found = lineEnds.find((end) => bytes.subarray(at, at + end.length).equals(end))
  if (found !== undefined) return found.length
  const rest = bytes.subarray(at)
  const isBeginning = lineEnds.some(
    (end) => rest.length < end.length && end.subarray(0, rest.length).equals(rest)
  )
  return isBeginning ? undefined : 0
}

/** The end of a line, which was taken out of a text before the byte with this number. */
interface LineEnd {
  readonly at: number
  readonly bytes: Buffer
}

/** Bytes without the ends of lines that base64 or hex has in it. */
interface Unfolded {
  readonly text: Buffer
  readonly ends: ReadonlyArray<LineEnd>
  /** What may be the beginning of one. */
  readonly rest: Buffer
  /** How many bytes at the end may be of a line. */
  readonly run: number
}

/** `run`: how many bytes before these may be of a line. */
const unfold = (bytes: Buffer, run: number): Unfolded => {
  const parts: Array<Buffer> = []
  const ends: Array<LineEnd> = []
  let length = 0
  let from = 0
  let at = 0
  while (at < bytes.length) {
    if (isOfLines[bytes[at] ?? 0]) {
      run++
      at++
      continue
    }
    const end = run >= leastLine ? lineEndAt(bytes, at) : 0
    if (end === undefined) break
    run = 0
    if (end > 0) {
      parts.push(bytes.subarray(from, at))
      length += at - from
      ends.push({ at: length, bytes: bytes.subarray(at, at + end) })
      from = at + end
    }
    at += Math.max(end, 1)
  }
  const last = bytes.subarray(from, at)
  const text = parts.length === 0 ? last : Buffer.concat([...parts, last])
  return { text, ends, rest: bytes.subarray(at), run }
}

/** The text with the ends of its lines in their places again. */
const fold = (text: Buffer, ends: ReadonlyArray<LineEnd>): Buffer => {
  if (ends.length === 0) return text
  const starts = [0, ...ends.map(({ at }) => at)]
  const parts = ends.flatMap(({ at, bytes }, index) => [text.subarray(starts[index], at), bytes])
  return Buffer.concat([...parts, text.subarray(starts.at(-1))])
}

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
 * base64 at any place, in hex, and backwards; base64 and hex also where they come in lines.
 */
export class SecretForms {
  private readonly index: Index

  constructor(hidden: ReadonlyArray<HiddenText>) {
    const forms = hidden.flatMap(({ shown, value }) =>
      [...textsOf(value)]
        .map((text) => Buffer.from(text))
        // What base64 has of one character may be nothing, which is found everywhere.
        .filter(({ length }) => length > 0)
        .map((bytes) => ({ bytes, shown: shownAs(shown, bytes), borders: bordersOf(bytes) }))
    )
    this.index = indexOf(forms)
  }

  /** The text with what is hidden in it masked. */
  inText(text: string): string {
    const bytes = Buffer.from(text)
    const { ends, rest, text: unfolded } = unfold(bytes, 0)
    const masked = maskedWith(unfolded, new Search(this.index).next(unfolded))
    return masked === unfolded ? text : Buffer.concat([fold(masked, ends), rest]).toString()
  }

  /** Whether there is anything to hide in a text or in bytes. */
  isIn(text: string | Uint8Array): boolean {
    return new Search(this.index).next(unfold(Buffer.from(text), 0).text).length > 0
  }

  /** For one stream. */
  stream(): StreamMask {
    let search = new Search(this.index)
    let held: Buffer = nothing
    let heldEnds: ReadonlyArray<LineEnd> = []
    /** What may be the end of a line is not looked at yet. */
    let rest: Buffer = nothing
    let run = 0
    let hasMasked = false
    const next = (chunk: Uint8Array) => {
      const fresh = unfold(rest.length === 0 ? Buffer.from(chunk) : Buffer.concat([rest, chunk]), run)
      const before = held.length
      const found = search.next(fresh.text).map((each) => ({ ...each, start: before + each.start }))
      const all = maskedWith(before === 0 ? fresh.text : Buffer.concat([held, fresh.text]), found)
      const ends = [...heldEnds, ...fresh.ends.map((end) => ({ ...end, at: before + end.at }))]
      hasMasked ||= found.length > 0
      const sure = all.length - search.open()
      held = all.subarray(sure)
      heldEnds = ends.filter(({ at }) => at > sure).map((end) => ({ ...end, at: end.at - sure }))
      rest = fresh.rest
      run = fresh.run
      return fold(
        all.subarray(0, sure),
        ends.filter(({ at }) => at <= sure)
      )
    }
    const end = () => {
      const last = Buffer.concat([fold(held, heldEnds), rest])
      search = new Search(this.index)
      held = nothing
      heldEnds = []
      rest = nothing
      run = 0
      return last
    }
    return { next, end, hasMasked: () => hasMasked }
  }
}
