import { execFile } from "node:child_process"
import { E2BSandbox } from "@bulkhead/e2b"
import { Sandbox } from "@bulkhead/sandbox"
import { assert, layer } from "@effect/vitest"
import { Duration, Effect } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"

/** `npm test` hides it; who runs this file alone may have one. */
const isHidden = process.env.PERL_IS_HIDDEN !== undefined

const startsPerl = Effect.async<boolean>((resume) => {
  execFile("perl", ["-v"], (error) => resume(Effect.succeed(error === null)))
})

layer(EmbeddedE2B.layer, { timeout: "30 seconds", excludeTestServices: true })("these tests", (it) => {
  it.scoped.skipIf(!isHidden)("find no Perl, neither on the machine nor in a sandbox", () =>
    Effect.gen(function* () {
      assert.isFalse(yield* startsPerl)
      const { exit } = yield* Sandbox.output({ line: "perl -v", env: {}, lifetime: Duration.seconds(10) })
      assert.include([126, 127], exit.exitCode)
    }).pipe(Effect.provide(E2BSandbox.layer(EmbeddedE2B.options)))
  )
})
