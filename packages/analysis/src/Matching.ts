import type { CodeFinding } from "@bulkhead/domain"
import type { Pattern, Rule } from "./Rule.js"
import type { Analysed, Call, Text } from "./Syntax/Facts.js"
import { textsIn } from "./Syntax/Value.js"

/** A rule's place in a matcher, and which of its patterns this is. */
interface Place {
  readonly rule: number
  readonly pattern: number
}

interface CallPattern extends Place {
  readonly name: RegExp
  readonly argumentTexts: ReadonlyArray<RegExp>
  readonly madeWith: RegExp | undefined
  readonly in: ReadonlySet<string> | undefined
}

interface TextPattern extends Place {
  readonly text: RegExp
}

const escape = (text: string) => text.replaceAll(/[.+?^${}()|[\]\\]/g, "\\$&").replaceAll("*", ".*")
const anyOf = (names: ReadonlyArray<string>) => new RegExp(`^(?:${names.map(escape).join("|")})$`, "su")
const expression = (text: string) => new RegExp(text, "su")

const compileCall = (pattern: Pattern, place: Place): ReadonlyArray<CallPattern> =>
  pattern.calls === undefined
    ? []
    : [
        {
          ...place,
          name: anyOf(pattern.calls),
          argumentTexts: (pattern.arguments ?? []).map(expression),
          madeWith: pattern.madeWith && anyOf(pattern.madeWith),
          in: pattern.in && new Set(pattern.in)
        }
      ]

const compileText = ({ text }: Pattern, place: Place): ReadonlyArray<TextPattern> =>
  text === undefined ? [] : [{ ...place, text: expression(text) }]

/** The rules of one language, ready to be asked. */
export interface Ruleset {
  readonly rules: ReadonlyArray<Rule>
  readonly calls: ReadonlyArray<CallPattern>
  readonly texts: ReadonlyArray<TextPattern>
  /** Matches what any of `texts` does. */
  readonly anyText: RegExp | undefined
}

export const compile = (all: ReadonlyArray<Rule>, language: Analysed): Ruleset => {
  const rules = all.filter(({ languages }) => languages.includes(language))
  const each = <A>(make: (pattern: Pattern, place: Place) => ReadonlyArray<A>) =>
    rules.flatMap(({ all }, rule) => all.flatMap((pattern, index) => make(pattern, { rule, pattern: index })))
  const texts = each(compileText)
  const union = texts.map(({ text }) => `(?:${text.source})`).join("|")
  return {
    rules,
    calls: each(compileCall),
    texts,
    anyText: texts.length === 0 ? undefined : expression(union)
  }
}

const isMadeWith = ({ args, self }: Call, name: RegExp) =>
  [...args, ...(self === undefined ? [] : [self])]
    .flatMap((arg) => [arg, ...(arg.items ?? [])])
    .some((value) => name.test(value.name ?? "") || [...value.sources].some((source) => name.test(source)))

/** Hears what one program does, and tells which rules it matches. */
export const matching = ({ anyText, calls, rules, texts }: Ruleset) => {
  const lines = new Map<number, Map<number, number>>()
  const ofName = new Map<string, ReadonlyArray<CallPattern>>()

  const note = ({ pattern, rule }: Place, line: number) => {
    const seen = lines.get(rule) ?? new Map<number, number>()
    lines.set(rule, seen)
    if (!seen.has(pattern)) seen.set(pattern, line)
  }

  const patternsOf = (name: string) => {
    const known = ofName.get(name)
    if (known !== undefined) return known
    const found = calls.filter((pattern) => pattern.name.test(name))
    ofName.set(name, found)
    return found
  }

  return {
    call: (call: Call) => {
      const candidates = patternsOf(call.name)
      if (candidates.length === 0) return
      const given = call.args.flatMap(textsIn)
      for (const pattern of candidates) {
        if (pattern.in !== undefined && ![...pattern.in].some((place) => call.places.has(place as never)))
          continue
        if (!pattern.argumentTexts.every((text) => given.some((argument) => text.test(argument)))) continue
        if (pattern.madeWith !== undefined && !isMadeWith(call, pattern.madeWith)) continue
        note(pattern, call.line)
      }
    },
    text: ({ line, text }: Text) => {
      if (anyText === undefined || text.length < 4 || !anyText.test(text)) return
      for (const pattern of texts) if (pattern.text.test(text)) note(pattern, line)
    },
    findings: (): ReadonlyArray<CodeFinding> =>
      rules.flatMap(({ all, id, kind, message }, index) => {
        const seen = lines.get(index)
        if (seen === undefined || seen.size < all.length) return []
        return [{ rule: id, kind, line: Math.min(...seen.values()), message }]
      })
  }
}
