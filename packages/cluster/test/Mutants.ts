import { Effect } from "effect"
import type { Mutation } from "./World.js"

/** An owner that is not the newest still gives permits out. */
export const fenceMissing: Mutation = {
  ledger: (real) => {
    let newest = 0
    return {
      ...real,
      open: Effect.tap(real.open, ({ epoch }) => {
        newest = epoch
      }),
      write: (_, change) => Effect.suspend(() => real.write(newest, change)),
      join: (_, session) => Effect.suspend(() => real.join(newest, session)),
      end: (_, session) => Effect.suspend(() => real.end(newest, session))
    }
  }
}

/** A new owner does not know which permits are out. */
export const permitsForgotten: Mutation = {
  ledger: (real) => ({ ...real, open: Effect.map(real.open, (opened) => ({ ...opened, permits: [] })) })
}

/** A dead replica's permits are given to others while its programs run. */
export const deathTakenForEnd: Mutation = { reapClaimed: true }

/** The owner is not told that a place was left. */
export const leavingUnsaid: Mutation = { told: (sync) => ({ ...sync, left: [] }) }

/** What waits is told to the owner in the wrong order. */
export const orderLost: Mutation = {
  told: (sync) => ({ ...sync, places: sync.places.toReversed().map(({ ticket: _, ...place }) => place) })
}
