import { writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect, Layer } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

/** Caught in a function that is never called. */
const inert = "print('ran')\ndef never():\n  return open('/etc/' + 'shadow')"

/** Has more programs within programs than are followed. */
const nested = Array.from({ length: 8 }).reduce<string>(
  (code) => `exec(${JSON.stringify(code)})`,
  "print('ran')"
)

const noTelnet = {
  id: "no-telnet",
  kind: "policy",
  languages: ["python", "bash"],
  message: "uses telnet",
  all: [{ calls: ["telnet", "telnetlib.*"] }]
}

/** A file of rules, gone with the scope. */
const rulesFile = (rules: unknown) =>
  Effect.map(ServerProcess.temporaryDirectory, (directory) => {
    const file = join(directory, "rules.json")
    writeFileSync(file, JSON.stringify(rules))
    return file
  })

layer(ServerProcess.layer({ SANDBOX_CODE_ANALYSIS: "enforce" }), {
  excludeTestServices: true,
  timeout: "90 seconds"
})("a server that enforces its rules of code", (it) => {
  it.scoped("refuses by rule and line, keeps that, and runs the rest", () =>
    Effect.gen(function* () {
      const refused = yield* Caller.post({ code: inert, userId: "ann" })
      assert.strictEqual(refused.status, 403)
      assert.deepInclude(refused.body.error, { code: "MALICIOUS_CODE", category: "policy", retryable: false })
      assert.match(refused.body.error.message, /python-credential-file, line 3/)
      const events = (yield* Caller.logs(refused.body.executionId)).map(({ event }) => event)
      assert.deepStrictEqual(events, ["code_flagged", "execution_rejected"])
      const fine = yield* Caller.execute({ code: "print(1)", userId: "ann" })
      assert.strictEqual(fine.verdict, "Completed")
      assert.notProperty(fine, "findings")
    })
  )

  it.scoped("runs what it could not analyse, and says so", () =>
    Effect.gen(function* () {
      const result = yield* Caller.execute({ code: nested, userId: "ann" })
      assert.strictEqual(result.stdout, "ran\n")
      assert.match(result.notAnalysed ?? "", /more programs within programs/)
    })
  )
})

const strict = Layer.unwrapScoped(
  Effect.map(rulesFile([noTelnet]), (file) =>
    ServerProcess.layer({
      SANDBOX_CODE_ANALYSIS: "enforce",
      SANDBOX_CODE_ANALYSIS_UNSURE: "refuse",
      SANDBOX_CODE_ANALYSIS_RULES: file
    })
  )
)

layer(strict, { excludeTestServices: true, timeout: "90 seconds" })(
  "a server that is unsure of nothing, with rules of its operator's",
  (it) => {
    it.scoped("refuses what it could not analyse, and says why", () =>
      Effect.gen(function* () {
        const refused = yield* Caller.post({ code: nested, userId: "ann" })
        assert.strictEqual(refused.status, 403)
        assert.deepInclude(refused.body.error, { code: "MALICIOUS_CODE", retryable: false })
        assert.match(refused.body.error.message, /could not be analysed: it has more programs/)
      })
    )

    it.scoped("refuses what the operator's rules and its own find, and runs the rest", () =>
      Effect.gen(function* () {
        const telnet = "print('ran')\nimport telnetlib as t\ndef never():\n  t.Telnet('host.invalid')"
        for (const [code, rule] of [
          [telnet, /no-telnet, line 4: it uses telnet/],
          [inert, /python-credential-file, line 3/]
        ] as const) {
          const refused = yield* Caller.post({ code, userId: "ann" })
          assert.strictEqual(refused.status, 403)
          assert.match(refused.body.error.message, rule)
        }
        const fine = yield* Caller.execute({ code: "print(1)", userId: "ann" })
        assert.strictEqual(fine.stdout, "1\n")
      })
    )
  }
)

describe("a server whose file of rules is wrong", () => {
  it.scopedLive(
    "does not start, and names the setting and the place",
    () =>
      Effect.gen(function* () {
        const file = yield* rulesFile([{ ...noTelnet, languages: ["perl"] }])
        yield* ServerProcess.bundled
        const { ended } = yield* ServerProcess.launch({
          SANDBOX_CODE_ANALYSIS: "enforce",
          SANDBOX_CODE_ANALYSIS_RULES: file
        })
        const { code, stderr } = yield* ended
        assert.strictEqual(code, 1)
        assert.match(stderr, /SANDBOX_CODE_ANALYSIS_RULES.*0\.languages\.0/s)
      }),
    90_000
  )
})

layer(ServerProcess.layer({ SANDBOX_CODE_ANALYSIS: "report" }), {
  excludeTestServices: true,
  timeout: "90 seconds"
})("a server that reports what its rules find", (it) => {
  it.scoped("runs the program and tells what was found", () =>
    Effect.gen(function* () {
      const result = yield* Caller.execute({ code: inert, userId: "ann" })
      assert.strictEqual(result.stdout, "ran\n")
      assert.deepInclude(result.findings?.[0], { rule: "python-credential-file", line: 3 })
      const kept = yield* Caller.get(`/api/executions/${result.executionId}`)
      assert.deepStrictEqual(kept.result.findings, result.findings)
    })
  )
})
