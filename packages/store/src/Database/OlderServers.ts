import { Effect, Schedule, Schema } from "effect"
import * as LeaseRows from "../Lease/LeaseRows.js"
import type { LeaseRow } from "../Lease/Sightings.js"

/** Servers of an older version work with the tables, which are to be changed in a way with which they cannot go on. */
export class OlderServers extends Schema.TaggedError<OlderServers>()("OlderServers", {
  instances: Schema.Array(Schema.String)
}) {
  override get message() {
    const names = this.instances.map((name) => `'${name}'`).join(", ")
    return (
      `its tables must be changed in a way with which servers of the version before cannot go on, and ${names} of ` +
      "them still run; stop all servers, then start this one again"
    )
  }
}

/** Signs of life are 3 seconds apart, and who gives none for 15 seconds counts as dead. */
const looks = Schedule.intersect(Schedule.spaced("1 second"), Schedule.recurs(15))

/** Those that gave a sign of life between two looks. */
const living = (before: ReadonlyArray<LeaseRow>, now: ReadonlyArray<LeaseRow>) =>
  now.filter(
    ({ holder, instance, renewals }) =>
      !before.some((row) => row.instance === instance && row.holder === holder && row.renewals === renewals)
  )

/**
 * Fails when a server works with the tables. Takes 15 seconds where one that did has died, else some seconds at most.
 */
export const refuse = Effect.gen(function* () {
  const { all } = yield* LeaseRows.make
  const before = yield* all
  const look = Effect.flatMap(all, (now) => {
    const instances = living(before, now).map(({ instance }) => instance)
    return instances.length === 0 ? Effect.succeed(now) : new OlderServers({ instances })
  })
  if (before.length === 0) return
  yield* Effect.repeat(look, { schedule: looks, until: (rows) => rows.length === 0 })
})
