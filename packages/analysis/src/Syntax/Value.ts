/** What is known of an expression's value without running it. */
export interface Value {
  /** As a constant text, with `gap` where a part is not known; bytes are a character each. */
  readonly text?: string
  readonly number?: number
  readonly items?: ReadonlyArray<Value>
  /** The full name of what it is, like `os.system`, or of what made it, like `socket.socket()`. */
  readonly name?: string
  /** The names of the calls that it was made with. */
  readonly sources: ReadonlySet<string>
}

/** Stands in a text for what is not known. */
export const gap = "\u{fffc}"

const none: ReadonlySet<string> = new Set()
const mostSources = 40

/** As long as a text may become by being put together. */
export const mostCharacters = 2_097_152

export const unknown: Value = { sources: none }

export const ofText = (text: string, ...from: ReadonlyArray<Value>): Value =>
  text.length > mostCharacters ? ofSources(...from) : { text, sources: sourcesOf(...from) }

export const ofNumber = (number: number): Value => ({ number, sources: none })
export const ofName = (name: string, ...from: ReadonlyArray<Value>): Value => ({
  name,
  sources: sourcesOf(...from)
})
export const ofItems = (items: ReadonlyArray<Value>): Value => ({ items, sources: sourcesOf(...items) })
export const ofSources = (...from: ReadonlyArray<Value>): Value => ({ sources: sourcesOf(...from) })

const sourcesOf = (...from: ReadonlyArray<Value>): ReadonlySet<string> => {
  const full = from.filter(({ sources }) => sources.size > 0)
  if (full.length <= 1) return full[0]?.sources ?? none
  const all = new Set<string>()
  for (const { sources } of full)
    for (const source of sources) {
      if (all.size >= mostSources) return all
      all.add(source)
    }
  return all
}

/** The same, made with this call too. */
export const madeBy = (value: Value, name: string): Value =>
  value.sources.size >= mostSources ? value : { ...value, sources: new Set([...value.sources, name]) }

/** What a value is as a part of a text. */
export const asText = ({ number, text }: Value): string =>
  text ?? (number === undefined ? gap : String(number))

export const concat = (...parts: ReadonlyArray<Value>): Value => {
  if (parts.every(({ text }) => text === undefined)) return ofSources(...parts)
  return ofText(parts.map(asText).join(""), ...parts)
}

/** Every text in a value, its items' too. */
export const textsIn = ({ items, text }: Value): ReadonlyArray<string> => [
  ...(text === undefined ? [] : [text]),
  ...(items ?? []).flatMap(textsIn)
]
