import { randomUUID } from "node:crypto"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import * as HostProcesses from "./HostProcesses.js"
import { begin, database, eventsOf, listed, onPostgres, replicasOf, startAll } from "./ReplicaServers.js"
import * as ServerProcess from "./ServerProcess.js"

/** Where nothing listens. */
const nowhere = "http://127.0.0.1:9"

/** An E2B of this test's own, whose sandboxes outlive the servers that make them. */
const e2b = Effect.map(Layer.build(EmbeddedHost.layer()), (context) => {
  const { apiKey, url } = Context.get(context, EmbeddedHost)
  return {
    SANDBOX_BACKEND: "e2b",
    E2B_API_KEY: Redacted.value(apiKey),
    E2B_API_URL: url,
    E2B_SANDBOX_URL: url
  }
})

onPostgres("replicas whose sandboxes are E2B's", { concurrent: true, timeout: 240_000 }, () => {
  // The dead one counts as dead after 20 s, in which nothing is done but wait.
  it.scopedLive("end the sandboxes of one of them that was killed, and have its permits", () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const settings = {
        ...(yield* e2b),
        DATABASE_URL: yield* database,
        SANDBOX_CLUSTER: "on",
        SANDBOX_MAX_CONCURRENT_SANDBOXES: "1",
        SANDBOX_REAPER_INTERVAL: "5"
      }
      const [victim, other] = yield* startAll([settings, settings])
      assert(victim !== undefined && other !== undefined)
      yield* listed(other, "running", 0)
      const mark = `reaped-${randomUUID()}`
      yield* begin(victim, "ann", `exec -a ${mark} sleep 600`)
      yield* HostProcesses.awaitMarked(mark, (count) => count > 0)
      const waiting = yield* begin(other, "bob", "echo has run")
      yield* listed(other, "queued", 1)
      yield* victim.kill("SIGKILL")
      yield* victim.ended
      assert.strictEqual(yield* HostProcesses.named(mark), 1)
      assert.include(yield* eventsOf(other, waiting), "has run")
      assert.strictEqual(yield* HostProcesses.named(mark), 0)
    })
  )

  it.scopedLive("tell of each other whether E2B is left alone", () =>
    Effect.gen(function* () {
      yield* ServerProcess.bundled
      const there = {
        ...(yield* e2b),
        DATABASE_URL: yield* database,
        SANDBOX_CLUSTER: "on",
        SANDBOX_BREAKER_FAILURES: "1"
      }
      const cutOff = { ...there, E2B_API_URL: nowhere, E2B_SANDBOX_URL: nowhere }
      const [one, other] = yield* startAll([there, cutOff])
      assert(one !== undefined && other !== undefined)
      yield* begin(other, "ann", "echo hello")
      const replicas = yield* replicasOf(one, (all) => all.some(({ circuit }) => circuit === "open"))
      assert.deepStrictEqual(replicas.map(({ circuit, isAnswering }) => [isAnswering, circuit]).toSorted(), [
        [false, "open"],
        [true, "closed"]
      ])
    })
  )
})
