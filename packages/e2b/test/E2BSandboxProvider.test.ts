import { E2BConfig, type E2BOptions, E2BSandboxProvider } from "@bulkhead/e2b"
import { Sandbox, type SandboxOptions, SandboxProvider } from "@bulkhead/sandbox"
import { Case, SandboxProviderConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Layer, Mailbox, Redacted, Ref, Stream } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Misbehaving from "./Misbehaving.js"

const embedded = Layer.unwrapEffect(Effect.map(E2BConfig, E2BSandboxProvider.layer)).pipe(
  Layer.provide(EmbeddedE2B.layerWithTemplate)
)

SandboxProviderConformance.suite("E2BSandboxProvider on the embedded host", embedded, {
  template: EmbeddedE2B.template
})

describe("a template", () => {
  const options = { metadata: {}, lifetime: Duration.seconds(60) }

  /** What is asked of E2B when these are created. */
  const wiredWith = (given: Partial<E2BOptions>, asked: ReadonlyArray<Partial<SandboxOptions>>) =>
    Effect.gen(function* () {
      const { bodies, url } = yield* Misbehaving.make()
      const connection = { apiKey: Redacted.make("e2b_test"), apiUrl: url, sandboxUrl: url }
      const built = yield* Layer.build(E2BSandboxProvider.layer({ ...connection, ...given }))
      const { create } = Context.get(built, SandboxProvider)
      for (const more of asked) yield* Sandbox.scoped(create({ ...options, ...more }))
      return bodies.create.map((body) => JSON.parse(body).templateID)
    })

  it.scoped("is on the wire what was asked for, else the configured one, else the SDK's usual one", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* wiredWith({}, [{ template: "my-data" }, {}]), ["my-data", "base"])
      const configured = { template: "ours" }
      assert.deepStrictEqual(yield* wiredWith(configured, [{}, { template: "k3j9x0q1" }]), [
        "ours",
        "k3j9x0q1"
      ])
    })
  )

  it.scoped("that is not there is not known to the embedded host, nor told of in the host's own words", () =>
    Effect.gen(function* () {
      const { create } = Context.get(yield* Layer.build(embedded), SandboxProvider)
      const failure = yield* Effect.flip(create({ ...options, template: "gone" }))
      assert.include(failure, {
        code: "INTERNAL_ERROR",
        phase: "create",
        message: "The sandbox provider does not know the image",
        retryable: false
      })
    })
  )
})

/** Signals as the SDK's own kill sends them: to what it started, and to nothing that this has started. */
const killingLeaders = Effect.map(SandboxProvider, (provider) => ({
  ...provider,
  create: (options: SandboxOptions) =>
    Effect.gen(function* () {
      const sandbox = yield* provider.create(options)
      const leaders = yield* Ref.make<ReadonlyArray<number>>([])
      return Sandbox.of({
        ...sandbox,
        run: (command) =>
          Mailbox.fromStream(
            Stream.tap(Sandbox.events(sandbox, command), (event) =>
              event._tag === "Started" ? Ref.update(leaders, (pids) => [...pids, event.pid]) : Effect.void
            )
          ),
        signal: (signal) =>
          Effect.flatMap(Ref.get(leaders), (pids) => {
            const line = `kill -s ${signal.slice(3)} ${pids.join(" ")} || true`
            return Stream.runDrain(Sandbox.events(sandbox, { line, env: {}, lifetime: Duration.seconds(10) }))
          })
      })
    })
}))

it.live("signals that reach leaders only are found out, and by the one promise that they break", () =>
  Effect.gen(function* () {
    const layer = Layer.effect(SandboxProvider, killingLeaders).pipe(Layer.provide(embedded))
    const signals = SandboxProviderConformance.cases().filter(({ promise }) => /^signal/.test(promise))
    assert.deepStrictEqual(yield* Case.broken(signals, layer, { timeout: 10_000 }), [
      "signal reaches what a command has put into a session of its own"
    ])
  })
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
