import type { CodeFinding } from "@bulkhead/domain"
import { type AnalyzedCode, type CodeAnalysis, CodeAnalyzer } from "@bulkhead/sandbox"
import { type ThreadLost, ThreadPool } from "@bulkhead/threads"
import { Duration, Effect, Layer, Option, PartitionedSemaphore } from "effect"
import * as AnalysisThread from "./AnalysisThread.js"
import type { Rule } from "./Rule.js"
import type { Analysed } from "./Syntax/Facts.js"

export interface AnalyzerOptions {
  /** `report`: findings are told. `enforce`: a program with a finding is refused. */
  readonly mode: "report" | "enforce"
  /** In `enforce`, what becomes of a program that could not be analysed. Default `run`. */
  readonly unsure?: "run" | "refuse"
  /** Rules beside those that come with the package. Default none. */
  readonly rules?: ReadonlyArray<Rule>
  /** Threads, and so programs that are analysed at once. Default 2. */
  readonly threads?: number
  /** How long one program may take. Default 3 seconds. */
  readonly timePerProgram?: Duration.DurationInput
  /** How long a program may wait for its turn. Default 30 seconds. */
  readonly longestWait?: Duration.DurationInput
  /** MB of a thread's heap. Default 256. */
  readonly memoryMB?: number
  /** The threads' program. Default: beside this package's modules, and so beside a bundle of them. */
  readonly program?: URL
}

/** Characters of the longest program that is analysed. */
const longest = 4_194_304

const languages: Readonly<Record<string, Analysed>> = {
  python: "python",
  javascript: "javascript",
  typescript: "javascript",
  bash: "bash"
}

type Looked = Omit<CodeAnalysis, "refusal">

const notAnalysed = (notAnalysed: string): Looked => ({ findings: [], notAnalysed })

const tooManyInside = "it has more programs within programs than are analysed"

const inWords = ({ line, message, rule }: CodeFinding) => `${rule}, line ${line}: it ${message}`

const refusalOf = ({ mode, unsure = "run" }: AnalyzerOptions, { findings, notAnalysed }: Looked) => {
  if (mode === "report") return undefined
  const [first, ...others] = findings
  if (first !== undefined) {
    const more = others.length === 0 ? "" : `, and ${others.length} more`
    return `code: refused as a security violation by the rule ${inWords(first)}${more}`
  }
  return notAnalysed !== undefined && unsure === "refuse"
    ? `code: refused, since it could not be analysed: ${notAnalysed}`
    : undefined
}

const lookedOf = (answer: AnalysisThread.Answer): Looked => {
  if (answer._tag === "Beyond") return notAnalysed("it is nested too deep, or its constants grow too large")
  const { findings, isWhole } = answer
  return isWhole ? { findings } : { findings, notAnalysed: tooManyInside }
}

const failed = ({ cause, reason }: ThreadLost): Effect.Effect<Looked> =>
  reason === "OutOfMemory"
    ? Effect.succeed(notAnalysed("it took too much memory to analyse"))
    : Effect.as(Effect.logError("A program could not be analysed", cause), notAnalysed("the analysis failed"))

const make = Effect.fnUntraced(function* (options: AnalyzerOptions) {
  const {
    longestWait = "30 seconds",
    memoryMB = 256,
    program = AnalysisThread.defaultProgram,
    rules = [],
    threads = 2,
    timePerProgram = "3 seconds"
  } = options
  const pool = yield* ThreadPool.make<AnalysisThread.Question, AnalysisThread.Answer>({
    program,
    workerData: { rules } satisfies AnalysisThread.ThreadData,
    memoryMB,
    youngMemoryMB: 32,
    threads,
    // The first program would wait for it longer than it takes to analyse.
    minThreads: 1,
    timeToLive: "5 minutes"
  })
  const turns = yield* PartitionedSemaphore.make<string>({ permits: threads })
  const tooSlow = notAnalysed(`it took longer than ${Duration.toSeconds(timePerProgram)} s to analyse`)
  const tooBusy = notAnalysed(`it waited longer than ${Duration.toSeconds(longestWait)} s for its turn`)

  const ask = Effect.fnUntraced(function* (code: string, language: Analysed) {
    const thread = yield* pool.get
    return Option.match(yield* thread.ask({ code, language }, timePerProgram), {
      onNone: () => tooSlow,
      onSome: lookedOf
    })
  }, Effect.scoped)

  const look = ({ code, language, userId }: AnalyzedCode): Effect.Effect<Looked> => {
    const syntax = Object.hasOwn(languages, language) ? languages[language] : undefined
    if (syntax === undefined) return Effect.succeed(notAnalysed(`there are no rules for ${language}`))
    if (code.length > longest) return Effect.succeed(notAnalysed(`it is longer than ${longest} characters`))
    return ask(code, syntax).pipe(
      turns.withPermits(userId, 1),
      Effect.timeoutTo({ duration: longestWait, onTimeout: () => tooBusy, onSuccess: (looked) => looked }),
      Effect.catchTag("ThreadLost", failed)
    )
  }

  return CodeAnalyzer.of({
    analyze: Effect.fn("CodeAnalyzer.analyze")((code: AnalyzedCode) =>
      Effect.map(look(code), (looked): CodeAnalysis => {
        const refusal = refusalOf(options, looked)
        return { ...looked, ...(refusal !== undefined && { refusal }) }
      })
    )
  })
})

/**
 * Analyses programs by rules over their syntax trees, in threads of their own. One is there always, others are started
 * when there is something to do, and end when they are idle. Users take turns. A program that takes too much ends its
 * thread, and concerns no other program.
 */
export const layer = (options: AnalyzerOptions): Layer.Layer<CodeAnalyzer> =>
  Layer.scoped(CodeAnalyzer, make(options))
