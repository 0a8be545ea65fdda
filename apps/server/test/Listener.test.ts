import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Listener from "../src/Listener.js"
import { refusal } from "./Refusal.js"

describe("a server that cannot listen", () => {
  const places: ReadonlyArray<readonly [string, RegExp]> = [
    ["192.0.2.1", /^HOST: 192\.0\.2\.1 is no address[^\n]+$/],
    ["nowhere.invalid", /^HOST: no address is known for[^\n]+$/]
  ]
  for (const [HOST, line] of places)
    it.effect(`says why: at ${HOST}`, () =>
      Effect.gen(function* () {
        const settings = { HOST, PORT: "0", SANDBOX_API_KEYS: "a:the-key-of-a-caller" }
        assert.match(yield* refusal(Listener.layer, settings), line)
      })
    )
})
