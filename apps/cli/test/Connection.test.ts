import { createServer, type Server } from "node:http"
import { type AddressInfo, createServer as createTcpServer } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as CuttingProxy from "../../server/test/CuttingProxy.js"
import * as ServerProcess from "../../server/test/ServerProcess.js"
import * as Cli from "./Cli.js"
import * as Programs from "./Programs.js"

const slow = { timeout: 120_000 }

const key = "the-key-of-alice-in-this-test"

/** What a command says of why it fails; it prints nothing else. */
const refusal = (words: ReadonlyArray<string>, options: Cli.Options = {}) =>
  Effect.map(Cli.run(words, options), ({ code, stderr, stdout }) => {
    assert.strictEqual(code, 125, stderr)
    assert.strictEqual(stdout.toString(), "")
    assert.match(stderr, /^bulkhead: [^\n]+\n$/)
    return stderr
  })

/** A port on which something that is no server of Bulkhead listens, until the scope closes. */
const listening = <Listening extends Server | ReturnType<typeof createTcpServer>>(server: Listening) =>
  Effect.acquireRelease(
    Effect.async<number>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.succeed((server.address() as AddressInfo).port)))
    }),
    () => Effect.sync(() => server.close())
  )

describe("where no answer comes from a server, a command says what to do", () => {
  it.scopedLive(
    "about addresses",
    () =>
      Effect.gen(function* () {
        const web = yield* listening(createServer((_, response) => response.end("<h1>hello</h1>")))
        const mute = yield* listening(
          createTcpServer((socket) => socket.once("data", () => socket.destroy()))
        )
        const closed = yield* Effect.scoped(listening(createServer()))
        const ps = (url: string) => refusal(["ps", "--server", url])
        const said = yield* Effect.all(
          {
            closed: ps(`http://127.0.0.1:${closed}`),
            web: ps(`http://127.0.0.1:${web}`),
            mute: ps(`http://127.0.0.1:${mute}`),
            tls: ps(`https://127.0.0.1:${web}`),
            unknown: ps("http://bulkhead.invalid")
          },
          { concurrency: 2 }
        )
        assert.include(said.closed, "start one with 'bulkhead serve'")
        assert.include(said.web, "is none of Bulkhead")
        assert.include(said.mute, "closed the connection")
        assert.include(said.tls, "does not speak TLS: is it http://")
        assert.include(said.unknown, "no address is known")
      }),
    slow
  )

  it.scopedLive(
    "about tokens",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start({ SANDBOX_API_KEYS: `alice:${key}` })
        const env = { BULKHEAD_URL: server.url }
        const [none, callers, logs, others, ran] = yield* Effect.all(
          [
            refusal(["run", "-"], { env, input: "1" }),
            refusal(["usage", "--user", "bob"], { env: { ...env, BULKHEAD_TOKEN: key } }),
            refusal(["logs", "exec_mfq3k2v1x0a9b8c7d6"], { env: { ...env, BULKHEAD_TOKEN: key } }),
            Cli.run(["ps", "--user", "bob"], { env: { ...env, BULKHEAD_TOKEN: key } }),
            Cli.run(["run", "-"], { env: { ...env, BULKHEAD_TOKEN: key }, input: "print('hi')" })
          ],
          { concurrency: 2 }
        )
        assert.include(none, "set BULKHEAD_TOKEN")
        for (const said of [callers, logs]) {
          assert.include(said, "this takes the operator's token, and a caller's key is not enough")
          assert.notInclude(said, key)
        }
        assert.include(
          others.stderr,
          "nothing of bob that you may see; a caller's key shows its own user alone"
        )
        assert.strictEqual(ran.stdout.toString(), "hi\n")
      }),
    slow
  )
})

describe("a server that goes away", () => {
  it.scopedLive(
    "is asked again, and then it is said how to read on",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start()
        const cli = yield* Cli.start(["run", "-", "--patience", "1"], { env: { BULKHEAD_URL: server.url } })
        yield* cli.type(Programs.endless)
        yield* cli.endInput
        yield* cli.printed("begun")
        yield* server.kill("SIGKILL")
        const { code, stderr, stdout } = yield* cli.ended
        assert.strictEqual(stdout.toString(), "begun\n")
        assert.strictEqual(code, 125)
        assert.match(
          stderr,
          /the connection is lost; the server is asked again for 1 s\nbulkhead: no server answers at .*'bulkhead logs --output exec_\w+' reads on/
        )
      }),
    slow
  )

  it.scopedLive(
    "and comes back costs not a byte",
    () =>
      Effect.gen(function* () {
        const server = yield* ServerProcess.start()
        const proxy = yield* CuttingProxy.make(server.url, { cuts: 4, mostBytes: 90_000, seed: "cli" })
        const { code, stdout } = yield* Cli.run(["run", "-"], {
          env: { BULKHEAD_URL: proxy.url },
          input: Programs.long
        })
        assert.isAtLeast(yield* proxy.cuts, 2)
        assert.strictEqual(stdout.toString(), Programs.longOutput)
        assert.strictEqual(code, 0)
      }),
    slow
  )
})
