import { E2BConfig, E2BSandboxProvider } from "@bulkhead/e2b"
import { SandboxProvider } from "@bulkhead/sandbox"
import { SandboxProviderConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Misbehaving from "./Misbehaving.js"

SandboxProviderConformance.suite(
  "E2BSandboxProvider on the embedded host",
  Layer.unwrapEffect(Effect.map(E2BConfig, E2BSandboxProvider.layer)).pipe(Layer.provide(EmbeddedE2B.layer))
)

describe("a list of several pages", () => {
  const entry = (id: string) => ({
    ...Misbehaving.sandbox({ sandboxID: id, metadata: { page: id } }),
    startedAt: "2026-08-01T10:00:00Z",
    endAt: "2026-08-01T11:00:00Z",
    state: "running"
  })

  const provider = (url: string) =>
    Effect.map(
      Layer.build(
        E2BSandboxProvider.layer({ apiKey: Redacted.make("e2b_test"), apiUrl: url, sandboxUrl: url })
      ),
      Context.get(SandboxProvider)
    )

  it.scoped("is read to its end, in order", () =>
    Effect.gen(function* () {
      const pages = [Array.from({ length: 100 }, (_, index) => `a${index}`), ["b0", "b1"], [], ["d0"]]
      const { asked, url } = yield* Misbehaving.make({
        list: (response, request) => {
          const token = new URL(request.url ?? "", "http://host").searchParams.get("nextToken")
          const page = Number(token ?? 0)
          const more = page < pages.length - 1 ? { "x-next-token": String(page + 1) } : undefined
          Misbehaving.json(200, (pages[page] ?? []).map(entry), more)(response, request)
        }
      })
      const found = yield* (yield* provider(url)).list({})
      assert.deepStrictEqual(
        found.map(({ id }) => id),
        pages.flat()
      )
      assert.deepStrictEqual(found.at(-1), { id: "d0", metadata: { page: "d0" } })
      assert.strictEqual(asked.list, 4)
    })
  )

  it.scoped("of which one fails is a failure, never half a list", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* Misbehaving.make({
        list: (response, request) =>
          asked.list === 1
            ? Misbehaving.json(200, [entry("a")], { "x-next-token": "1" })(response, request)
            : Misbehaving.refuse(503)(response, request)
      })
      const failure = yield* Effect.flip((yield* provider(url)).list({}))
      assert.include(failure, { phase: "list", code: "SANDBOX_BUSY", retryable: true })
    })
  )
})
