import { ExecutionStore } from "@bulkhead/sandbox"
import { Entries } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Option, Ref, Schedule } from "effect"
import { inject } from "vitest"
import { postgresAt, storeIn } from "./Databases.js"
import { type Cluster, makeCluster } from "./PostgresCluster.js"

const { began, ended, happened, id } = Entries

/** Few in the suite, which has no time for more. */
const ROUNDS = Number(process.env.POSTGRES_KILLS ?? 6)

class NoCluster extends Error {}

const ownCluster = Effect.acquireRelease(
  Effect.promise(makeCluster).pipe(
    Effect.flatMap((made) =>
      "missing" in made ? Effect.die(new NoCluster(made.missing)) : Effect.succeed(made)
    )
  ),
  ({ remove }) => Effect.sync(remove)
)

/** The killed server's own children have to be gone first. */
const restarted = ({ restart }: Cluster) =>
  Effect.promise(restart).pipe(
    Effect.flatMap((served) => ("missing" in served ? Effect.fail(served) : Effect.succeed(served))),
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("20 seconds"),
    Effect.orDie
  )

describe.runIf("url" in inject("postgres"))("PostgreSQL that is killed and started again", () => {
  it.scopedLive(
    "twenty times under load loses nothing that was kept, and is used again within two seconds",
    () =>
      Effect.gen(function* () {
        const cluster = yield* ownCluster
        const served = yield* Ref.make<Pick<Cluster, "kill">>(cluster)
        yield* Effect.addFinalizer(() => Effect.flatMap(Ref.get(served), ({ kill }) => Effect.promise(kill)))
        const kept: Array<string> = []

        yield* Effect.gen(function* () {
          const store = yield* ExecutionStore
          const write = (writer: number, turn: number) => {
            const name = `w${writer}-${turn}`
            return store.append([began(name), happened(name), ended(name)]).pipe(
              Effect.zipRight(store.commit),
              Effect.map(() => kept.push(name)),
              Effect.catchAll(() => Effect.sleep("20 millis"))
            )
          }
          for (let writer = 0; writer < 4; writer++)
            yield* Effect.forkScoped(
              Effect.iterate(0, {
                while: () => true,
                body: (turn) => Effect.as(write(writer, turn), turn + 1)
              })
            )
          const writing = (more: number) => {
            const enough = kept.length + more
            return Effect.sync(() => kept.length >= enough).pipe(
              Effect.repeat({ schedule: Schedule.spaced("10 millis"), until: (isEnough) => isEnough }),
              Effect.timeout("20 seconds")
            )
          }

          const waits: Array<number> = []
          for (let round = 0; round < ROUNDS; round++) {
            yield* writing(20)
            yield* Effect.flatMap(Ref.get(served), ({ kill }) => Effect.promise(kill))
            const failure = yield* Effect.flip(store.find(id("w0-0")))
            assert.match(failure.reason ?? "", /^(the database says [A-Z0-9]+)?$/)
            yield* Effect.flip(store.ready).pipe(
              Effect.retry(Schedule.spaced("10 millis")),
              Effect.timeout("5 seconds")
            )
            yield* Ref.set(served, yield* restarted(cluster))
            const backAt = yield* Clock.currentTimeMillis
            yield* Effect.retry(store.ready, Schedule.spaced("10 millis")).pipe(Effect.timeout("10 seconds"))
            assert.isTrue(Option.isSome(yield* store.find(id("w0-0"))))
            waits.push((yield* Clock.currentTimeMillis) - backAt)
          }
          // Half of them, since a busy machine delays some.
          assert.isBelow(
            waits.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN,
            2000,
            `waited ${waits} ms`
          )
          for (const name of kept)
            assert.strictEqual(Option.getOrThrow(yield* store.find(id(name))).state, "ended")
          assert.deepInclude(yield* store.verify, { intact: true })
        }).pipe(
          Effect.scoped,
          Effect.provide(storeIn({ open: () => postgresAt(cluster.url), place: cluster.url }))
        )
      }),
    180_000
  )
})
