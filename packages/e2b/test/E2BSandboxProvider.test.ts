import { E2BConfig, E2BSandboxProvider } from "@bulkhead/e2b"
import { Sandbox, type SandboxOptions, SandboxProvider } from "@bulkhead/sandbox"
import { assert, describe, it, layer } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Redacted } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Misbehaving from "./Misbehaving.js"
import * as Transcript from "./Transcript.js"

const embedded = Layer.unwrapEffect(Effect.map(E2BConfig, E2BSandboxProvider.layer)).pipe(
  Layer.provide(EmbeddedE2B.layer)
)

const make = (options: Partial<SandboxOptions> = {}) =>
  Sandbox.scoped(
    Effect.flatMap(SandboxProvider, ({ create }) => create({ ...EmbeddedE2B.options, ...options }))
  )

const listed = (metadata: Record<string, string>) =>
  Effect.flatMap(SandboxProvider, ({ list }) => list(metadata))

const idsOf = (found: ReadonlyArray<{ readonly id: string }>) => found.map(({ id }) => id).sort()

/** The output of a line that the sandbox must live long enough to run. */
const outputOf = (sandbox: Context.Tag.Service<Sandbox>, line: string) =>
  Effect.map(
    Transcript.of(sandbox.run({ line, env: {}, lifetime: Duration.seconds(20) })),
    ({ stdout }) => stdout
  )

layer(embedded, { timeout: "30 seconds", excludeTestServices: true })(
  "E2BSandboxProvider on the embedded host",
  (it) => {
    it.scoped("lists the sandboxes that carry all of the tags, with their tags, and no others", () =>
      Effect.gen(function* () {
        const awkward = "two & = % words, ünï/+"
        const one = yield* make({ metadata: { service: "a", "odd key": awkward } })
        const two = yield* make({ metadata: { service: "a", "odd key": "other" } })
        const three = yield* make({ metadata: { service: "b" } })
        assert.deepStrictEqual(idsOf(yield* listed({ service: "a" })), [one.id, two.id].sort())
        assert.deepStrictEqual(idsOf(yield* listed({})), [one.id, three.id, two.id].sort())
        assert.deepStrictEqual(yield* listed({ service: "b" }), [
          { id: three.id, metadata: { service: "b" } }
        ])
        assert.deepStrictEqual(yield* listed({ service: "a", "odd key": awkward }), [
          { id: one.id, metadata: { service: "a", "odd key": awkward } }
        ])
        assert.deepStrictEqual(yield* listed({ service: "nobody" }), [])
      })
    )

    it.scoped("kills a sandbox by its id, at once and for good", () =>
      Effect.gen(function* () {
        const metadata = { killed: "by id" }
        const sandbox = yield* make({ metadata })
        const { kill } = yield* SandboxProvider
        assert.deepStrictEqual(idsOf(yield* listed(metadata)), [sandbox.id])
        yield* kill(sandbox.id)
        assert.deepStrictEqual(yield* listed(metadata), [])
        yield* kill(sandbox.id)
        yield* sandbox.destroy
      })
    )

    it.effect("succeeds in killing what is not there", () =>
      Effect.flatMap(SandboxProvider, ({ kill }) => kill("sbx-never-was"))
    )

    it.scoped("lets a renewed sandbox outlive its lifetime, and no other", () =>
      Effect.gen(function* () {
        const [renewed, other] = yield* Effect.all([
          make({ lifetime: Duration.seconds(1) }),
          make({ lifetime: Duration.seconds(1) })
        ])
        yield* renewed.renew(Duration.seconds(30))
        const [output, failure] = yield* Effect.all(
          [outputOf(renewed, "sleep 1.5; echo alive"), Effect.flip(outputOf(other, "sleep 20"))],
          { concurrency: "unbounded" }
        )
        assert.strictEqual(output, "alive\n")
        assert.include(failure, { phase: "run", code: "ECONNRESET" })
      })
    )

    it.scoped("fails to renew a sandbox that is gone", () =>
      Effect.gen(function* () {
        const sandbox = yield* make()
        yield* sandbox.destroy
        const failure = yield* Effect.flip(sandbox.renew(Duration.seconds(30)))
        assert.include(failure, { phase: "renew", code: "ECONNRESET" })
      })
    )
  }
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
