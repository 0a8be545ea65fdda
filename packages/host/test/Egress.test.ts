import { EmbeddedHost, type HostOptions } from "@bulkhead/host"
import { assert, it, layer } from "@effect/vitest"
import { InvalidArgumentError, type Sandbox, type SandboxOpts } from "e2b"
import { Context, Effect, Fiber, Layer } from "effect"
import * as EgressTargets from "./EgressTargets.js"
import { addresses, ports, target } from "./EgressTargets.js"
import {
  connection,
  pidsMarked,
  processesMarked,
  python,
  rejection,
  run,
  sandbox,
  until
} from "./Fixtures.js"
import { bundled } from "./HostBundle.js"
import { connectionTo, startHost } from "./RunningHost.js"

const { open } = addresses

const names = {
  "good.example": [[open]],
  "other.example": [[open]],
  "loop.example": [["127.0.0.1"]],
  "nobody.example": [["127.0.0.1"]]
}

class Machine extends Context.Tag("Machine")<Machine, { readonly heard: EgressTargets.Heard }>() {}

const machine = (network: HostOptions["network"]) =>
  Layer.unwrapScoped(
    Effect.map(EgressTargets.make, (heard) =>
      Layer.merge(
        Layer.succeed(Machine, { heard }),
        EmbeddedHost.layer({
          network: {
            private: [target(open), target("127.0.0.1")],
            names: EgressTargets.resolver(heard, names),
            ...network
          }
        })
      )
    )
  )

const only = (...allowOut: ReadonlyArray<string>): SandboxOpts => ({
  network: { allowOut: [...allowOut], denyOut: ["0.0.0.0/0"] }
})

interface Told {
  readonly attempts: ReadonlyArray<Record<string, unknown>>
  readonly next: number
  readonly use: Record<string, number>
}

const ask = (here: Sandbox, query = "") =>
  Effect.flatMap(connection, ({ apiKey, apiUrl }) =>
    Effect.promise(async () => {
      const url = `${apiUrl}/sandboxes/${here.sandboxId}/network/attempts${query}`
      const answer = await fetch(url, { headers: { "x-api-key": apiKey } })
      return { status: answer.status, body: (await answer.json()) as Told }
    })
  )

const curl = (here: Sandbox, words: string) =>
  Effect.map(run(here, `curl -s -m 10 ${words}`), ({ exitCode, stdout }) => ({ exitCode, stdout }))

const status = (here: Sandbox, url: string) =>
  Effect.map(curl(here, `-o /dev/null -w '%{http_code}' ${url}`), ({ stdout }) => stdout)

layer(machine({}), { excludeTestServices: true })("The network of a sandbox", (it) => {
  it.scoped("is not there unless it is asked for, and then there is no proxy either", () =>
    Effect.gen(function* () {
      const asked: ReadonlyArray<SandboxOpts> = [
        {},
        { allowInternetAccess: false },
        { network: { denyOut: ["0.0.0.0/0"] } },
        { ...only("good.example"), allowInternetAccess: false }
      ]
      for (const options of asked) {
        const here = yield* sandbox(options)
        const { stdout } = yield* run(here, "env | grep -i proxy; curl -s http://127.0.0.1:3128; echo $?")
        assert.strictEqual(stdout, "7\n")
        assert.strictEqual((yield* ask(here)).status, 404)
      }
    })
  )

  it.scoped(
    "is told of in the usual variables, and what it carried and refused is told to the host's client",
    () =>
      Effect.gen(function* () {
        const here = yield* sandbox(only("good.example", "nobody.example:9", "gone.example"))
        assert.deepStrictEqual(yield* curl(here, "http://good.example/hello"), {
          ...{ exitCode: 0, stdout: "heard good.example/hello" }
        })
        assert.include(
          (yield* curl(here, "-k https://good.example/secret")).stdout,
          "heard good.example/secret"
        )
        assert.deepStrictEqual(yield* curl(here, "http://other.example/no"), {
          exitCode: 0,
          stdout:
            "network policy: other.example is not allowed (filtered; allowed: good.example, nobody.example:9, gone.example)\n"
        })
        assert.strictEqual(yield* status(here, "http://nobody.example:9/"), "502")
        assert.strictEqual(yield* status(here, "http://gone.example/"), "502")
        const { body } = yield* ask(here)
        const attempts = body.attempts.map(({ at, ...rest }) => {
          assert.isNumber(at)
          return rest
        })
        assert.deepStrictEqual(attempts, [
          { protocol: "http", name: "good.example", port: 80, decision: "allowed", address: open },
          { protocol: "connect", name: "good.example", port: 443, decision: "allowed", address: open },
          { protocol: "http", name: "other.example", port: 80, decision: "denied", reason: "not_allowed" },
          { protocol: "http", name: "nobody.example", port: 9, decision: "allowed", reason: "unreachable" },
          { protocol: "http", name: "gone.example", port: 80, decision: "allowed", reason: "no_such_name" }
        ])
        assert.strictEqual(body.next, 5)
        assert.deepInclude(body.use, { denied: 1, missed: 0 })
        assert.isAbove(body.use.sentBytes ?? 0, 500)
        assert.isAbove(body.use.receivedBytes ?? 0, 500)
      })
  )

  it.scoped("lets who asks wait for the next attempt, and for the sandbox's end", () =>
    Effect.gen(function* () {
      const here = yield* sandbox(only("good.example"))
      const waiting = yield* Effect.fork(ask(here, "?from=0&wait=20"))
      yield* status(here, "http://good.example/")
      assert.lengthOf((yield* Fiber.join(waiting)).body.attempts, 1)
      const last = yield* Effect.fork(ask(here, "?from=1&wait=20"))
      yield* Effect.promise(() => here.kill())
      assert.include([200, 404], (yield* Fiber.join(last)).status)
      assert.strictEqual((yield* ask(here, "?from=-1")).status, 404)
    })
  )

  it.scoped("keeps the first hundred attempts of each kind and counts the rest", () =>
    Effect.gen(function* () {
      const here = yield* sandbox(only("good.example"))
      yield* run(here, "seq 150 | xargs -P 8 -I{} curl -s -o /dev/null http://no{}.example/")
      yield* status(here, "http://good.example/")
      const { body } = yield* ask(here)
      assert.lengthOf(body.attempts, 101)
      assert.deepInclude(body.use, { denied: 150, missed: 50, connections: 1 })
    })
  )

  it.scoped("is open where that is asked for, but for what is denied and what is inside", () =>
    Effect.gen(function* () {
      const here = yield* sandbox({
        allowInternetAccess: true,
        network: { denyOut: ["other.example", "192.0.2.0/24"] }
      })
      const own = new URL((yield* connection).apiUrl).port
      assert.strictEqual(yield* status(here, "http://good.example/"), "200")
      assert.strictEqual(yield* status(here, `http://${open}/`), "200")
      assert.strictEqual(yield* status(here, "http://other.example/"), "403")
      assert.strictEqual(yield* status(here, "http://192.0.2.7/"), "403")
      assert.strictEqual(yield* status(here, "http://10.0.0.1/"), "403")
      // The operator has opened this address, but never to the host itself.
      assert.strictEqual(yield* status(here, `http://loop.example:${own}/sandboxes`), "403")
      // A name that is denied is not spoken to by its address either.
      const { exitCode } = yield* curl(
        here,
        `-k --connect-to other.example:443:${open}:443 https://other.example/`
      )
      assert.notStrictEqual(exitCode, 0)
      const { body } = yield* ask(here)
      assert.deepStrictEqual(
        body.attempts.filter(({ decision }) => decision === "denied").map(({ reason }) => reason),
        ["denied", "private_address", "private_address", "private_address", "denied"]
      )
    })
  )

  it.scoped("belongs to one sandbox: another one's policy and counts are its own", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* sandbox(only("good.example")), yield* sandbox(only("other.example"))]
      assert.strictEqual(yield* status(one, "http://other.example/"), "403")
      assert.strictEqual(yield* status(other, "http://other.example/"), "200")
      assert.deepInclude((yield* ask(other)).body.use, { denied: 0, connections: 1 })
    })
  )

  it.scoped("is refused with the field that is wrong", () =>
    Effect.gen(function* () {
      const rows: ReadonlyArray<readonly [SandboxOpts, string]> = [
        [only("good.example", "no name"), "network.allowOut[1]"],
        [{ network: { denyOut: ["1.2.3.4/99"] } }, "network.denyOut[0]"],
        [{ network: { allowPublicTraffic: true } }, "allowPublicTraffic must be false"],
        [{ network: { allowOut: Array.from({ length: 1001 }, () => "a.example") } }, "at most 1000"]
      ]
      const where = yield* connection
      const { Sandbox } = yield* Effect.promise(() => import("e2b"))
      for (const [options, words] of rows) {
        const error = yield* rejection(() => Sandbox.create({ ...where, ...options }))
        assert.include(error.message, words)
        assert.isFalse(error instanceof InvalidArgumentError && error.message === "")
      }
    })
  )

  it.scoped("leaves no process behind", () =>
    Effect.gen(function* () {
      const before = processesMarked("launch two").length
      yield* Effect.scoped(sandbox(only("good.example")))
      yield* until("the relay's end", () => processesMarked("launch two").length === before)
    })
  )

  it.scoped("has another relay when one has died", () =>
    Effect.gen(function* () {
      const relays = () => pidsMarked("launch two")
      const before = relays()
      const here = yield* sandbox(only("good.example"))
      assert.strictEqual(yield* status(here, "http://good.example/"), "200")
      const [relay = 0, ...more] = relays().filter((pid) => !before.includes(pid))
      assert.deepStrictEqual(more, [])
      process.kill(relay, "SIGKILL")
      const code = `-o /dev/null -w "%{http_code}" --retry 8 --retry-connrefused --retry-delay 1 http://good.example/`
      assert.strictEqual((yield* curl(here, code)).stdout, "200")
      assert.isFalse(relays().includes(relay))
    })
  )

  it.scoped("bears a flood of connections, and so do others", () =>
    Effect.gen(function* () {
      const [flooding, quiet] = [yield* sandbox(only("good.example")), yield* sandbox(only("good.example"))]
      const flood = yield* Effect.fork(
        python(
          flooding,
          `
import socket
held = []
for i in range(200):
    c = socket.socket()
    c.settimeout(0.05)
    try:
        c.connect(("127.0.0.1", 3128))
        c.sendall(b"GET http://good.example/large HTTP/1.1\\r\\nHost: good.example\\r\\n\\r\\n")
    except OSError: pass
    held.append(c)
print(len(held))`
        )
      )
      assert.strictEqual(yield* status(quiet, "http://good.example/quiet"), "200")
      assert.strictEqual((yield* Fiber.join(flood)).stdout, "200\n")
      // What the program has left is cut as soon as it is known to be gone.
      yield* status(flooding, "http://good.example/after").pipe(
        Effect.repeat({ until: (said) => said === "200", times: 100 })
      )
      assert.strictEqual(yield* status(flooding, "http://good.example/after"), "200")
      const { heard } = yield* Machine
      assert.isAtMost(heard.connections.most, 66)
    })
  )
})

layer(machine({ maxConnections: 4, maxAttempts: 40, maxBytes: 6_000_000, bytesPerSecond: 8_000_000 }), {
  excludeTestServices: true
})("The network of a sandbox has limits", (it) => {
  it.scoped("of connections at once", () =>
    Effect.gen(function* () {
      const here = yield* sandbox(only("good.example"))
      const { stdout } = yield* python(
        here,
        `
import socket
held, answers = [], []
for i in range(8):
    c = socket.create_connection(("127.0.0.1", 3128), 5)
    c.sendall(b"CONNECT good.example:${ports.first} HTTP/1.1\\r\\n\\r\\n")
    answers.append(c.recv(12).decode())
    held.append(c)
print(answers.count("HTTP/1.1 200"), answers.count("HTTP/1.1 403"))`
      )
      assert.strictEqual(stdout, "4 4\n")
      const { body } = yield* ask(here)
      assert.deepStrictEqual(
        body.attempts.filter(({ decision }) => decision === "denied").map(({ reason }) => reason),
        ["connection_limit", "connection_limit", "connection_limit", "connection_limit"]
      )
    })
  )

  it.scoped("of bytes and of attempts, after which nothing is carried", () =>
    Effect.gen(function* () {
      const here = yield* sandbox(only("good.example"))
      const got = yield* run(
        here,
        "curl -s http://good.example/large | wc -c; for i in 2 3; do curl -sk https://good.example/large | wc -c; done; curl -s http://good.example/after"
      )
      const [first = 0, second = 0, third = 0] = got.stdout.split("\n").map(Number)
      assert.strictEqual(first, 4_000_000)
      assert.isBelow(second, 2_100_000)
      assert.isBelow(third, 200)
      assert.include(got.stdout, "as many bytes as may be were carried")
      yield* run(here, "seq 50 | xargs -P 8 -I{} curl -s -o /dev/null http://no{}.example/")
      const { body } = yield* ask(here)
      const reasons = body.attempts.map(({ reason }) => reason)
      assert.include(reasons, "byte_limit")
      assert.include(reasons, "rate_limit")
      assert.isBelow((body.use.receivedBytes ?? 0) + (body.use.sentBytes ?? 0), 6_500_000)
    })
  )
})

const NOBODY = 65534

it.scopedLive.runIf(process.getuid?.() === 0)(
  "A sandbox of a host that is not root reaches its gate too",
  () =>
    Effect.gen(function* () {
      const host = yield* startHost(yield* bundled, NOBODY, { network: {} })
      const { Sandbox } = yield* Effect.promise(() => import("e2b"))
      const here = yield* Effect.acquireRelease(
        Effect.promise(() => Sandbox.create({ ...connectionTo(host), ...only("good.example") })),
        (made) => Effect.promise(() => made.kill())
      )
      assert.include((yield* curl(here, "http://other.example/")).stdout, "other.example is not allowed")
      const direct = yield* python(
        here,
        "import socket\ntry: socket.create_connection(('1.1.1.1', 443), 3)\nexcept OSError as error: print(error)"
      )
      assert.include(direct.stdout, "unreachable")
    })
)
