import { assert, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

/** Caught in a function that is never called. */
const inert = "print('ran')\ndef never():\n  return open('/etc/' + 'shadow')"

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
