import { defaultLimits } from "@bulkhead/sandbox"
import { SqlClient } from "@effect/sql"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { kinds } from "../../store/test/Databases.js"
import { PermitLedger } from "../src/PermitLedger.js"
import * as SqlPermitLedger from "../src/SqlPermitLedger.js"

const postgres = kinds.find(({ name }) => name === "PostgreSQL")
const on = postgres === undefined ? describe.skip : describe

on("the ledger of permits in PostgreSQL", () => {
  it.scopedLive("begins also with changed limits that this version does not take", () =>
    Effect.gen(function* () {
      const database = yield* Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL"))
      yield* Effect.gen(function* () {
        const ledger = yield* PermitLedger
        const sql = yield* SqlClient.SqlClient
        const { epoch } = yield* ledger.open
        const changed = { version: 1, values: { ...defaultLimits, maxProcesses: 77 } }
        yield* ledger.setLimits(epoch, changed)
        assert.deepStrictEqual((yield* ledger.open).limits, changed)
        yield* sql`UPDATE admission SET limits = replace(limits, '"maxProcesses":77', '"maxProcesses":1')`
        const opened = yield* ledger.open
        assert.isUndefined(opened.limits)
        assert.strictEqual(opened.epoch, epoch + 2)
      }).pipe(Effect.provide(Layer.provideMerge(SqlPermitLedger.layer, database.open())))
    })
  )
})
