import { StoreFailure } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { Cause, Console, Effect, Ref } from "effect"
import * as StartFailure from "../src/StartFailure.js"

/** What an operator reads on stderr. */
const reported = (cause: Cause.Cause<unknown>) =>
  Effect.gen(function* () {
    const lines = yield* Ref.make<ReadonlyArray<unknown>>([])
    const own = yield* Console.consoleWith(Effect.succeed)
    const error = (...line: ReadonlyArray<unknown>) => Ref.update(lines, (all) => [...all, ...line])
    yield* Effect.withConsole(StartFailure.report(cause), { ...own, error })
    return yield* Ref.get(lines)
  })

describe("StartFailure", () => {
  it.effect("says in one line that the database was lost while the server started", () =>
    Effect.gen(function* () {
      const gone = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" })
      const message = "The database could not be read"
      assert.deepStrictEqual(yield* reported(Cause.die(new StoreFailure({ message, cause: gone }))), [
        "bulkhead: The database could not be read: connection refused"
      ])
    })
  )
})
