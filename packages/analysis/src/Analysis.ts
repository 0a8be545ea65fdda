import type { CodeFinding } from "@bulkhead/domain"
import * as Matching from "./Matching.js"
import type { Rule } from "./Rule.js"
import * as Bash from "./Syntax/Bash.js"
import type { Analysed, Call, Listener } from "./Syntax/Facts.js"
import * as JavaScript from "./Syntax/JavaScript.js"
import * as Python from "./Syntax/Python.js"
import * as Sinks from "./Syntax/Sinks.js"

/** What rules find in a program, and in the programs that it has as texts. */
export interface Found {
  readonly findings: ReadonlyArray<CodeFinding>
  /** Whether there were no more programs within programs than are followed. */
  readonly isWhole: boolean
}

export type Analysis = (code: string, language: Analysed) => Found

/** How deep programs within programs are followed, how many of them, and how many characters of them. */
const bounds = { depth: 5, programs: 500, characters: 4_194_304 }

const languages: ReadonlyArray<Analysed> = ["python", "javascript", "bash"]

interface Program {
  readonly code: string
  readonly language: Analysed
  readonly depth: number
  /** The line of the outermost program. Absent: this is that. */
  readonly line?: number
}

/** Makes rules ready. */
export const make = (rules: ReadonlyArray<Rule>): Analysis => {
  const rulesets = new Map(
    languages.map((language) => [language, Matching.compile(rules, language)] as const)
  )

  return (code, language) => {
    const waiting: Array<Program> = [{ code, language, depth: 0 }]
    const known = new Set<string>()
    const matchers = new Map(
      [...rulesets].map(([language, ruleset]) => [language, Matching.matching(ruleset)] as const)
    )
    let characters = 0
    let isWhole = true

    const readProgram = (program: Program) => {
      const matcher = matchers.get(program.language)
      if (matcher === undefined) return
      const at = (line: number) => program.line ?? line
      const queue = (code: string, language: Analysed, line: number) => {
        const key = `${language}:${code}`
        if (known.has(key)) return
        characters += code.length
        const isBeyond =
          program.depth + 1 > bounds.depth || known.size >= bounds.programs || characters > bounds.characters
        if (isBeyond) {
          isWhole = false
          return
        }
        known.add(key)
        waiting.push({ code, language, depth: program.depth + 1, line: at(line) })
      }
      const inner = (call: Call) => {
        if (program.language === "bash") return
        const found = Sinks.innerOf(program.language, call.name, call.args)
        if (found !== undefined) queue(found.code, found.language, call.line)
      }
      const listener: Listener = {
        call: (call) => {
          matcher.call({ ...call, line: at(call.line) })
          inner(call)
        },
        text: (text) => matcher.text({ ...text, line: at(text.line) })
      }
      if (program.language === "python") Python.read(program.code, listener)
      else if (program.language === "javascript") JavaScript.read(program.code, listener)
      else Bash.read(program.code, listener, queue)
    }

    for (let program = waiting.shift(); program !== undefined; program = waiting.shift()) readProgram(program)
    return { findings: [...matchers.values()].flatMap((matcher) => matcher.findings()), isWhole }
  }
}
