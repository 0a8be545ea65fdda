import { inspect } from "node:util"
import { ExecutionId, executionError, rejectedResult } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Cause } from "effect"
import * as Api from "../src/index.js"

const error = executionError("INVALID_REQUEST", "the reason")
const result = rejectedResult(ExecutionId.make("exec_1"), error)

const errors: Readonly<Record<string, Error>> = {
  BadRequest: new Api.BadRequest({ error }),
  Unauthorized: new Api.Unauthorized({ error }),
  Forbidden: new Api.Forbidden({ error }),
  NotFound: new Api.NotFound({ error }),
  Conflict: new Api.Conflict({ error }),
  ContentTooLarge: new Api.ContentTooLarge({ error }),
  UnsupportedContent: new Api.UnsupportedContent({ error }),
  TooManyRequests: new Api.TooManyRequests({ error }),
  RangeNotSatisfiable: new Api.RangeNotSatisfiable({ error }),
  ServerFault: new Api.ServerFault({ error }),
  StoreUnavailable: new Api.StoreUnavailable({ error }),
  ExecutionRefused: new Api.ExecutionRefused({ status: 400, result }),
  NotReady: new Api.NotReady({ readiness: { ready: false, reason: "the reason" } })
}

describe("the contract's errors", () => {
  it("are all here", () => {
    const exported = Object.entries(Api).filter(
      ([, value]) => typeof value === "function" && value.prototype instanceof Error
    )
    assert.sameMembers(
      exported.map(([name]) => name),
      // The last is the client's own, and no answer.
      [...Object.keys(errors), "StreamLost"]
    )
  })

  for (const [name, error] of Object.entries(errors)) {
    it(`${name} says what was wrong`, () => {
      assert.strictEqual(error.message, "the reason")
      assert.strictEqual(String(error), `${name}: the reason`)
      assert.include(inspect(error), `${name}: the reason`)
      assert.include(Cause.pretty(Cause.fail(error)), "the reason")
    })
  }

  it("NotReady has words of its own where the server gives none", () => {
    const { message } = new Api.NotReady({ readiness: { ready: false } })
    assert.strictEqual(message, "New work cannot be done at present")
  })
})
