import { assert, it } from "@effect/vitest"
import * as Signals from "../src/Signals.js"

it("reads Go's spelling of signals", () => {
  assert.strictEqual(Signals.ofStatus("signal: killed"), "SIGKILL")
  assert.strictEqual(Signals.ofStatus("signal: aborted (core dumped)"), "SIGABRT")
  assert.strictEqual(Signals.ofStatus("signal: signal 34"), "signal 34")
  assert.isUndefined(Signals.ofStatus("exit status 1"))
})
