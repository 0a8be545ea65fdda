import { defaultLimits, Limits } from "@bulkhead/sandbox"
import { TestRunner } from "@effect/cluster"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, Layer, Ref, Scope } from "effect"
import * as AdmissionEntity from "../src/AdmissionEntity.js"
import { LedgerFailure, OwnerClient, PermitLedger, SessionId } from "../src/index.js"

const nothing = {
  session: { id: SessionId.make("one"), instance: "one" },
  epoch: 0,
  version: 0,
  next: 0,
  places: [],
  left: [],
  limits: 0,
  isPatient: false,
  isOver: false,
  dead: []
}

/** A ledger whose database is away after it was opened once, and tells when it is asked for again. */
const ledgerLost = (asked: Deferred.Deferred<void>) =>
  Layer.effect(
    PermitLedger,
    Effect.gen(function* () {
      const ledger = yield* PermitLedger
      const opened = yield* Ref.make(0)
      const away = Effect.zipRight(Deferred.succeed(asked, undefined), new LedgerFailure({ cause: "away" }))
      const open = Effect.flatMap(
        Ref.getAndUpdate(opened, (times) => times + 1),
        (times) => (times === 0 ? ledger.open : away)
      )
      return { ...ledger, open }
    })
  ).pipe(Layer.provide(PermitLedger.layerMemory))

describe("the entity of admission", () => {
  it.scopedLive("ends although its ledger cannot be opened again", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const scope = yield* Scope.make()
      const context = yield* AdmissionEntity.layerClient.pipe(
        Layer.provideMerge(AdmissionEntity.layer()),
        Layer.provide(ledgerLost(asked)),
        Layer.provide(Layer.succeed(Limits, defaultLimits)),
        Layer.provide(TestRunner.layer),
        Layer.buildWithScope(scope)
      )
      const owner = Context.get(context, OwnerClient)
      yield* Effect.exit(owner.sync({ ...nothing, epoch: 99 }))
      yield* Deferred.await(asked)
      const ended = yield* Scope.close(scope, Exit.void).pipe(
        Effect.disconnect,
        Effect.timeoutOption("10 seconds")
      )
      assert.strictEqual(ended._tag, "Some")
    })
  )
})
