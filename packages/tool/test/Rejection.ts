import { SandboxHardeningError } from "@bulkhead/tool"
import { assert } from "@effect/vitest"

/** What a promise is rejected with, which must be an error of ours. */
export const of = async (promise: Promise<unknown>): Promise<SandboxHardeningError> => {
  const outcome = await promise.then(
    (value) => assert.fail(`expected a rejection, got ${JSON.stringify(value)}`),
    (error: unknown) => error
  )
  assert.instanceOf(outcome, SandboxHardeningError)
  assert.instanceOf(outcome, Error)
  return outcome
}
