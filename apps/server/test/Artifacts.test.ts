import type { ExecutionRequestInput } from "@bulkhead/domain"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

const python = (userId: string, lines: ReadonlyArray<string>): ExecutionRequestInput => ({
  code: ["import os", "out = os.environ['SANDBOX_OUTPUT_DIR']", ...lines].join("\n"),
  language: "python",
  userId
})

const reasons = (result: { readonly rejectedArtifacts?: ReadonlyArray<{ readonly reason: string }> }) =>
  (result.rejectedArtifacts ?? []).map(({ reason }) => reason)

it.scopedLive("the bundled server looks at files in threads, and no file takes longer than it may", () =>
  Effect.gen(function* () {
    const head = "bytes.fromhex('ffd8ffe000104a46494600010100000100010000')"
    const result = yield* Caller.execute(
      python("test-user", [
        `open(out + '/fill.jpg', 'wb').write(${head} + b'\\xff' * 50_000_000 + b'\\xd9')`,
        "open(out + '/slow.pdf', 'wb').write(b'%PDF-1.4\\n' + b'#41' * 25_000_000 + b'%%EOF')",
        "open(out + '/a.txt', 'w').write('a')"
      ])
    )
    assert.deepStrictEqual(result.artifacts?.map(({ name }) => name).toSorted(), ["a.txt", "fill.jpg"])
    assert.deepStrictEqual(reasons(result), [
      "Artifact validation failed: it took longer than 3 s to inspect"
    ])
    assert.strictEqual(result.verdict, "Completed")
  }).pipe(Effect.provide(ServerProcess.layer({ SANDBOX_INSPECTION_SECONDS: "3" })))
)
