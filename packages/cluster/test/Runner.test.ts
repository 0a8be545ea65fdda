import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Ref, Schedule } from "effect"
import { kinds, postgresAt } from "../../store/test/Databases.js"
import * as AdmissionEntity from "../src/AdmissionEntity.js"
import { SessionId } from "../src/index.js"
import * as Runner from "../src/Runner.js"

const postgres = kinds.find(({ name }) => name === "PostgreSQL")
const on = postgres === undefined ? describe.skip : describe

/** A runner that others take for dead when it is told so, and whether it owns admission. */
const runner = Effect.fnUntraced(function* (place: string, name: string) {
  const isDead = yield* Ref.make(false)
  const check = Effect.flatMap(Ref.get(isDead), (dead) =>
    dead ? Effect.fail(new Error("it is dead")) : Effect.void
  )
  const context = yield* Layer.build(
    Runner.layer({ host: "127.0.0.1", port: 0, session: SessionId.make(name), check }).pipe(
      Layer.provide(Layer.fresh(postgresAt(place)))
    )
  )
  return { isDead, owns: Effect.provide(AdmissionEntity.isHere, context) }
})

const until = (condition: Effect.Effect<boolean>) =>
  Effect.repeat(condition, { until: (holds) => holds, schedule: Schedule.spaced("50 millis") })

on("a runner whose replica counts as dead", () => {
  it.scopedLive("leaves admission to another one, until it is known to live", () =>
    Effect.gen(function* () {
      const { place } = yield* Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL"))
      const first = yield* runner(place, "first")
      yield* until(first.owns)
      const second = yield* runner(place, "second")

      yield* Ref.set(first.isDead, true)
      yield* until(second.owns)
      assert.isFalse(yield* first.owns)

      yield* Ref.set(first.isDead, false)
      yield* Ref.set(second.isDead, true)
      yield* until(first.owns)
      assert.isFalse(yield* second.owns)
    })
  )
})
