import { Clock, Effect, Ref, Schedule } from "effect"
import type { Connection } from "../server/Connection.js"
import { Output } from "../terminal/Output.js"
import * as Words from "../terminal/Words.js"
import type { Stage } from "./Reading.js"

const place = ({ client }: Connection, executionId: string) =>
  client.executions.get({ path: { executionId } }).pipe(
    Effect.map(({ ahead }) => (ahead === undefined ? "" : `, ${ahead} before it at most`)),
    Effect.orElseSucceed(() => "")
  )

/** Keeps the line below the output up to date, for as long as it runs. */
export const show = (connection: Connection, executionId: string, stage: Ref.Ref<Stage>) =>
  Effect.gen(function* () {
    const { status } = yield* Output
    const begun = yield* Clock.currentTimeMillis
    yield* Effect.addFinalizer(() => status.hide)
    const look = Effect.gen(function* () {
      const now = yield* Ref.get(stage)
      const time = Words.duration((yield* Clock.currentTimeMillis) - begun)
      const where = now === "queued" ? yield* place(connection, executionId) : ""
      yield* status.set(`${executionId} ${now}${where}, ${time}`)
    })
    yield* Effect.repeat(look, Schedule.spaced("1 second"))
  }).pipe(Effect.scoped)
