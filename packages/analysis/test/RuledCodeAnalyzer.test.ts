import { UserId } from "@bulkhead/domain"
import { CodeAnalyzer } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import { type Rule, RuledCodeAnalyzer, RuleFile } from "../src/index.js"

const program = new URL("../../../.setup/AnalysisWorker.js", import.meta.url)

const analyzing = (options: Partial<RuledCodeAnalyzer.AnalyzerOptions> = {}) =>
  Effect.provide(RuledCodeAnalyzer.layer({ mode: "enforce", program, ...options }))

const analyze = (code: string, language = "python", user = "ann") =>
  Effect.flatMap(CodeAnalyzer, ({ analyze }) => analyze({ code, language, userId: UserId.make(user) }))

const hostile = "import os\nprint(open('/etc/shadow').read())"

/** A rule that no thread comes to an end with, on a text of many letters a. */
const endless: Rule = {
  id: "endless",
  kind: "test",
  languages: ["python"],
  message: "never ends",
  all: [{ text: "^(a+)+$" }]
}
const slow = `x = "${"a".repeat(64)}!"`

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

  it.live("says when it did not follow all programs within a program", () =>
    Effect.gen(function* () {
      const nested = Array.from({ length: 8 }).reduce<string>(
        (code) => `exec(${JSON.stringify(code)})`,
        hostile
      )
      const many = Array.from({ length: 600 }, (_, index) => `exec("x = ${index}")`).join("\n")
      for (const code of [nested, many]) {
        const found = yield* analyze(code)
        assert.match(found?.notAnalysed ?? "", /more programs within programs/)
        assert.match(found?.refusal ?? "", /could not be analysed/)
      }
    }).pipe(analyzing({ unsure: "refuse" }))
  )

  it.live("says that it failed when its threads cannot start", () =>
    Effect.gen(function* () {
      assert.strictEqual((yield* analyze(hostile))?.notAnalysed, "the analysis failed")
    }).pipe(analyzing({ program: new URL("file:///nowhere/Worker.js") }))
  )

  it.live("says that it took too much memory when it did", () =>
    Effect.gen(function* () {
      const found = yield* analyze(`x = [${"1, ".repeat(600_000)}]`)
      assert.strictEqual(found?.notAnalysed, "it took too much memory to analyse")
    }).pipe(analyzing({ memoryMB: 24, timePerProgram: "20 seconds" }))
  )

  it.live("ends a thread that takes too long, and goes on with others", () =>
    Effect.gen(function* () {
      const [late, quick] = yield* Effect.all([analyze(slow), analyze(hostile, "python", "bob")], {
        concurrency: 2
      })
      assert.strictEqual(late?.notAnalysed, "it took longer than 2 s to analyse")
      assert.isDefined(quick?.refusal)
      assert.isDefined((yield* analyze(hostile))?.refusal)
    }).pipe(analyzing({ rules: [endless], timePerProgram: "2 seconds", threads: 2 }))
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
