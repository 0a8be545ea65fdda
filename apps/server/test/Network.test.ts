import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { assert, layer } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

/** Programs speak with 127.0.0.1 without the proxy. */
const host = "127.0.0.2"

/** A server inside that says hello. */
class Target extends Context.Tag("test/Target")<Target, { readonly port: number }>() {
  static readonly layer = Layer.scoped(
    Target,
    Effect.acquireRelease(
      Effect.async<{ readonly port: number; readonly stop: () => void }>((resume) => {
        const server = createServer((_, response) => response.end("hello"))
        server.listen(0, host, () =>
          resume(
            Effect.succeed({
              port: (server.address() as AddressInfo).port,
              stop: () => {
                server.closeAllConnections()
                server.close()
              }
            })
          )
        )
      }),
      ({ stop }) => Effect.sync(stop)
    )
  )
}

/** Whoever runs programs may let them speak with that server, and with names below one that there is not. */
const filtered = Layer.unwrapEffect(
  Effect.map(Target, ({ port }) =>
    ServerProcess.layer({
      SANDBOX_NETWORK_ALLOW: `${host}:${port}, *.bulkhead.invalid`,
      SANDBOX_NETWORK_PRIVATE: `${host}:${port}`,
      SANDBOX_USER_NETWORK: "bob off",
      SANDBOX_POOL_MAX: "2"
    })
  )
).pipe(Layer.provideMerge(Target.layer))

const fetching = (...urls: ReadonlyArray<string>) =>
  [
    "import sys, urllib.request",
    `for url in ${JSON.stringify(urls)}:`,
    "    try:",
    "        print(urllib.request.urlopen(url, timeout=20).read().decode())",
    "    except Exception as error:",
    "        print(getattr(error, 'code', error))"
  ].join("\n")

const networkEvents = (executionId: string) =>
  Effect.map(Caller.logs(executionId), (events) =>
    events
      .filter(({ event }) => event.startsWith("network_"))
      .map(({ data, event }) => [event, data?.name, data?.reason])
  )

layer(filtered, { excludeTestServices: true, timeout: "90 seconds" })(
  "a server with a filtered network",
  (it) => {
    it.scoped("lets programs speak with what is allowed alone, and tells of each try", () =>
      Effect.gen(function* () {
        const { port } = yield* Target
        const code = fetching(`http://${host}:${port}/`, "http://evil.example/", "http://10.1.2.3/")
        const result = yield* Caller.execute({ code, userId: "ann" })
        assert.strictEqual(result.stdout, "hello\n403\n403\n")
        assert.strictEqual(result.network?.mode, "filtered")
        assert.deepInclude(result.metrics.network, { connections: 1, denied: 2 })
        assert.isAbove(result.metrics.network?.receivedBytes ?? 0, 5)
        assert.deepStrictEqual(yield* networkEvents(result.executionId), [
          ["network_allowed", host, undefined],
          ["network_denied", "evil.example", "not_allowed"],
          ["network_denied", "10.1.2.3", "private_address"]
        ])
        const { usage } = yield* Caller.get("/api/sandbox/usage?userId=ann")
        assert.deepInclude(usage[0], { networkConnections: 1, networkDenied: 2 })
        assert.match(
          result.hints?.[0] ?? "",
          /^The network policy refused evil\.example:80 \(not_allowed\), 10\.1/
        )
      })
    )

    it.scoped("holds each request to what it asks for, whatever the sandboxes that are kept ready have", () =>
      Effect.gen(function* () {
        const { port } = yield* Target
        const code = fetching(`http://${host}:${port}/`)
        const usual = yield* Caller.execute({ code, userId: "ann" })
        assert.strictEqual(usual.stdout, "hello\n")
        const less = yield* Caller.execute({
          code,
          userId: "ann",
          network: { allow: ["a.bulkhead.invalid"] }
        })
        assert.strictEqual(less.stdout, "403\n")
        assert.deepStrictEqual(less.network, { mode: "filtered", allow: ["a.bulkhead.invalid"], deny: [] })
        for (const deny of [host, "0.0.0.0/0"]) {
          const denied = yield* Caller.execute({ code, userId: "ann", network: { deny: [deny] } })
          assert.strictEqual(denied.stdout, "403\n")
        }
        for (const off of [
          { code, userId: "ann", network: { mode: "off" } },
          { code, userId: "bob" }
        ] as const) {
          const none = yield* Caller.execute(off)
          assert.notInclude(none.stdout, "hello")
          assert.notProperty(none.metrics, "network")
          assert.strictEqual(none.network?.mode, "off")
        }
      })
    )

    it.scoped("refuses what asks for more with the field's name, and says in the limits what there is", () =>
      Effect.gen(function* () {
        const { body, status } = yield* Caller.post({ code: "1", network: { allow: ["pypi.org"] } })
        assert.strictEqual(status, 422)
        assert.deepInclude(body.error, { code: "PERMISSION_DENIED", retryable: false })
        assert.match(
          body.error.message,
          /^network\.allow\.0: expected at most what the operator allows: 127\.0\.0\.2/
        )
        const malformed = yield* Caller.post({ code: "1", network: { allow: ["https://pypi.org"] } })
        assert.strictEqual(malformed.status, 400)
        assert.match(malformed.body.error.message, /^network\.allow\.0: expected a name/)
        const limits = yield* Caller.get("/api/sandbox/limits")
        assert.strictEqual(limits.network.mode, "filtered")
      })
    )
  }
)
