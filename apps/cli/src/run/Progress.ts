import { Clock, Effect, Ref, Schedule } from "effect"
import type { Connection } from "../server/Connection.js"
import type { StatusLine } from "../terminal/StatusLine.js"
import * as Words from "../terminal/Words.js"
import type { Stage } from "./Reading.js"

const place = ({ client }: Connection, executionId: string) =>
  client.executions.get({ path: { executionId } }).pipe(
    Effect.map(({ ahead }) => (ahead === undefined ? "" : `, ${ahead} before it at most`)),
    Effect.orElseSucceed(() => "")
  )

/** Keeps the line below the output up to date, for as long as it runs. */
export const show = (
  connection: Connection,
  executionId: string,
  { stage, status }: { readonly stage: Ref.Ref<Stage>; readonly status: StatusLine }
) =>
  Effect.flatMap(Clock.currentTimeMillis, (begun) =>
    Effect.gen(function* () {
      const now = yield* Ref.get(stage)
      const time = Words.duration((yield* Clock.currentTimeMillis) - begun)
      const where = now === "queued" ? yield* place(connection, executionId) : ""
      yield* status.set(`${executionId} ${now}${where}, ${time}`)
    }).pipe(Effect.repeat(Schedule.spaced("1 second")))
  )
