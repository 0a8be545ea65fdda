import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { programs } from "./secrets/Programs.js"
import * as Trial from "./secrets/Trial.js"

describe("programs with secrets", () => {
  it.live(
    "use them, and find them nowhere; nor does anybody else",
    () => Effect.map(Trial.findings(programs.length), (findings) => assert.deepStrictEqual(findings, [])),
    180_000
  )
})
