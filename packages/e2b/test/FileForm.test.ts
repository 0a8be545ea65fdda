import { E2BSandboxProvider } from "@bulkhead/e2b"
import { SandboxProvider } from "@bulkhead/sandbox"
import { assert, it } from "@effect/vitest"
import { Duration, Effect, Layer, Redacted } from "effect"
import * as Misbehaving from "./Misbehaving.js"

const bytes = new TextEncoder().encode("content")

it.scopedLive("writes quotes and backslashes in names as E2B reads them, wherever the file lies", () =>
  Effect.gen(function* () {
    const { bodies, url } = yield* Misbehaving.make()
    const apiKey = Redacted.make("e2b_test")
    const provider = E2BSandboxProvider.layer({ apiKey, apiUrl: url, sandboxUrl: url })
    const { write } = yield* SandboxProvider.pipe(
      Effect.flatMap(({ create }) => create({ metadata: {}, lifetime: Duration.seconds(60) })),
      Effect.provide(yield* Layer.build(provider))
    )
    for (const content of [bytes, new Blob([bytes])]) {
      yield* write([{ path: 'a"b\\c\\', content }])
      yield* write([{ path: "plain", content }])
    }
    assert.deepStrictEqual(
      bodies.files.map((body) => /filename="(.*)"/.exec(body)?.[1]),
      ['a\\"b\\\\c\\\\', "plain", 'a\\"b\\\\c\\\\', "plain"]
    )
  })
)
