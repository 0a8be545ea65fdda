import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Churn from "./Churn.js"
import { bundled } from "./HostBundle.js"
import { startHost } from "./RunningHost.js"

it.scopedLive("sandboxes that come and go leave nothing behind", () =>
  Effect.gen(function* () {
    const host = yield* startHost(yield* bundled)
    yield* Churn.cycles(host, 20)
    const { resident: _, ...before } = yield* Churn.held(host)
    yield* Churn.cycles(host, 60)
    const { resident: __, ...after } = yield* Churn.held(host)
    assert.deepStrictEqual(after, before)
  })
)
