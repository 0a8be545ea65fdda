import { channel } from "node:diagnostics_channel"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Wire from "../src/Wire.js"

const answers = channel("undici:request:headers")
const failures = channel("undici:request:error")
const request = { path: "/v2/sandboxes", headers: ["X-Request-Id", "ours"] }
const theirs = { path: "/v2/sandboxes", headers: ["X-Request-Id", "theirs"] }

/** What is seen of these messages. */
const seeing = (mark: Wire.Mark, publish: () => void) =>
  Wire.watching(mark, (seen) =>
    Effect.sync(() => {
      publish()
      return seen()
    })
  )

const raw = (...texts: ReadonlyArray<string>) => texts.map((text) => Buffer.from(text))

it.effect("reads headers as a list, as HTTP/1 and undici 7 give them", () =>
  Effect.gen(function* () {
    const headers = raw("Server", "retry-after", "Retry-After", "3")
    const seen = yield* seeing({ header: "ours" }, () =>
      answers.publish({ request, response: { statusCode: 429, headers } })
    )
    assert.deepStrictEqual(seen, { status: 429, retryAfter: 3 })
  })
)

it.effect("reads headers by name, as HTTP/2 and undici 8 give them", () =>
  Effect.gen(function* () {
    const headers = { date: "Sat, 01 Aug 2026 10:00:00 GMT", "retry-after": "Sat, 01 Aug 2026 10:01:00 GMT" }
    const seen = yield* seeing({ header: "ours" }, () =>
      answers.publish({ request, response: { statusCode: 503, headers } })
    )
    assert.deepStrictEqual(seen, { status: 503, retryAfter: 60 })
  })
)

it.effect("keeps to its own requests", () =>
  Effect.gen(function* () {
    const response = { statusCode: 429, headers: raw("retry-after", "3") }
    const publish = () => {
      answers.publish({ request: theirs, response })
      failures.publish({ request: theirs, error: { code: "ECONNRESET" } })
    }
    assert.deepStrictEqual(yield* seeing({ header: "ours" }, publish), {})
    const elsewhere = () => answers.publish({ request, response })
    assert.deepStrictEqual(yield* seeing({ header: "ours", path: "/other" }, elsewhere), {})
  })
)

// What a subscriber throws would be an uncaught exception, and fail the run.
it.effect("takes no harm from messages that it cannot read", () =>
  Effect.gen(function* () {
    const publish = () => {
      for (const message of [undefined, {}, { request }, { request: { path: "/" } }]) {
        answers.publish(message)
        failures.publish(message)
      }
      answers.publish({ request, response: { statusCode: 503, headers: null } })
    }
    assert.deepStrictEqual(yield* seeing({ header: "ours" }, publish), {})
  })
)

it.effect("listens for as long as the call runs, however it ends", () =>
  Effect.gen(function* () {
    const listens = Effect.sync(() => answers.hasSubscribers || failures.hasSubscribers)
    assert.isTrue(yield* Wire.watching({ header: "ours" }, () => listens))
    assert.isFalse(yield* listens)
    yield* Effect.exit(Wire.watching({ header: "ours" }, () => Effect.fail("failure")))
    assert.isFalse(yield* listens)
  })
)

it.effect("gives its own requests their traceparent, and no others", () =>
  Effect.gen(function* () {
    const requests = channel("undici:request:create")
    const given: Array<string> = []
    const sent = (of: typeof request) => ({
      request: {
        ...of,
        addHeader: (name: string, value: string) => given.push(`${of.headers[1]} ${name} ${value}`)
      }
    })
    const publish = () => {
      requests.publish(sent(request))
      requests.publish(sent(theirs))
    }
    yield* seeing({ header: "ours", traceparent: "00-1-2-01" }, publish)
    yield* seeing({ header: "ours" }, publish)
    assert.deepStrictEqual(given, ["ours traceparent 00-1-2-01"])
  })
)
