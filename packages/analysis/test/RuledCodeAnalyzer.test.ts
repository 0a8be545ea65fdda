import { UserId } from "@bulkhead/domain"
import { CodeAnalyzer } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { RuledCodeAnalyzer, RuleFile } from "../src/index.js"

const program = new URL("../../../.setup/AnalysisWorker.js", import.meta.url)

const analyzing = (options: Partial<RuledCodeAnalyzer.AnalyzerOptions> = {}) =>
  Effect.provide(RuledCodeAnalyzer.layer({ mode: "enforce", program, ...options }))

const analyze = (code: string, language = "python", user = "ann") =>
  Effect.flatMap(CodeAnalyzer, ({ analyze }) => analyze({ code, language, userId: UserId.make(user) }))

const hostile = "import os\nprint(open('/etc/shadow').read())"

/** So deep that no parser's stack holds it. */
const deep = `x = ${"(".repeat(400_000)}`

describe("the analyzer in threads", () => {
  it.live("refuses in enforce, naming rule and line, and only tells in report", () =>
    Effect.gen(function* () {
      const enforced = yield* analyze(hostile)
      assert.match(enforced?.refusal ?? "", /by the rule python-credential-file, line 2: it reads a file/)
      const reported = yield* analyze(hostile).pipe(analyzing({ mode: "report" }))
      assert.deepInclude(reported?.findings[0], { rule: "python-credential-file", line: 2 })
      assert.notProperty(reported ?? {}, "refusal")
      assert.deepStrictEqual(yield* analyze("print(1)"), { findings: [] })
    }).pipe(analyzing())
  )

  it.live("says what it could not analyse, and refuses that only if told to", () =>
    Effect.gen(function* () {
      const unknown = yield* analyze("puts 1", "ruby")
      assert.strictEqual(unknown?.notAnalysed, "there are no rules for ruby")
      assert.notProperty(unknown ?? {}, "refusal")
      const long = yield* analyze("#".repeat(4_194_305)).pipe(analyzing({ unsure: "refuse" }))
      assert.match(long?.refusal ?? "", /could not be analysed: it is longer than/)
    }).pipe(analyzing())
  )

  it.live("ends a thread that takes too long, or too deep a program, and goes on with others", () =>
    Effect.gen(function* () {
      const [slow, quick] = yield* Effect.all([analyze(deep), analyze(hostile, "python", "bob")], {
        concurrency: 2
      })
      assert.isDefined(slow?.notAnalysed)
      assert.isDefined(quick?.refusal)
      assert.isDefined((yield* analyze(hostile))?.refusal)
    }).pipe(analyzing({ timePerProgram: "2 seconds", threads: 2 }))
  )

  it.live("has rules of the operator's", () =>
    Effect.gen(function* () {
      const rule = {
        id: "no-telnet",
        kind: "policy",
        languages: ["python", "bash"],
        message: "uses telnet",
        all: [{ calls: ["telnet", "telnetlib.*"] }]
      }
      const rules = yield* RuleFile.parse(JSON.stringify([rule]))
      const refused = yield* analyze("import telnetlib as t\nt.Telnet('x')").pipe(analyzing({ rules }))
      assert.match(refused?.refusal ?? "", /no-telnet, line 2: it uses telnet/)
    })
  )
})

describe("a file of rules", () => {
  const cases: ReadonlyArray<readonly [string, RegExp]> = [
    ["{", /^the file: /],
    ["{}", /^the file: /],
    [JSON.stringify([{ id: "A" }]), /^0\./],
    [
      JSON.stringify([{ id: "a", kind: "b", languages: ["python"], message: "c", all: [{ text: "(" }] }]),
      /^0\.all\.0\.text: expected a regular/
    ],
    [
      JSON.stringify([{ id: "a", kind: "b", languages: ["perl"], message: "c", all: [{ text: "x" }] }]),
      /^0\.languages\.0: /
    ],
    [
      JSON.stringify([{ id: "a", kind: "b", languages: ["python"], message: "c", all: [{}] }]),
      /^0\.all\.0: expected either calls or text/
    ],
    [
      JSON.stringify([
        { id: "miner-program", kind: "b", languages: ["bash"], message: "c", all: [{ text: "x" }] }
      ]),
      /is taken$/
    ]
  ]
  for (const [text, expected] of cases)
    it(`is refused with its place: ${text.slice(0, 60)}`, () => {
      assert.match(Either.getOrThrow(Either.flip(RuleFile.parse(text))), expected)
    })
})
