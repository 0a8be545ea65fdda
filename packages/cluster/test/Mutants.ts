import { Effect } from "effect"
import { Answer, type Sync } from "../src/index.js"
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

/** A permit is given before it is written down. */
export const grantUnwritten: Mutation = {
  ledger: (real) => ({ ...real, write: (epoch, change) => real.write(epoch, { ...change, granted: [] }) })
}

/** Each owner gives out one permit more than there are. */
export const capMiscounted: Mutation = {
  limits: (limits) => ({ ...limits, maxConcurrentSandboxes: limits.maxConcurrentSandboxes + 1 })
}

/** Users have as many permits as there are. */
export const userCapIgnored: Mutation = {
  limits: (limits) => ({ ...limits, maxSandboxesPerUser: limits.maxConcurrentSandboxes })
}

/** A new owner knows which permits are out, but not which GPUs they have. */
export const gpusForgotten: Mutation = {
  ledger: (real) => ({
    ...real,
    open: Effect.map(real.open, (opened) => ({
      ...opened,
      permits: opened.permits.map(({ gpus: _, ...permit }) => permit)
    }))
  })
}

/** An owner does not count the GPUs of each machine. */
export const machineGpusIgnored: Mutation = {
  told: ({ gpus, ...sync }) => ({
    ...sync,
    ...(gpus && { gpus: gpus.map((each) => ({ ...each, count: 99 })) })
  })
}

/** The GPUs of a replica that died count as free, while its programs may run. */
export const deadMachineForgotten: Mutation = {
  told: (sync) => ({ ...sync, session: { ...sync.session, instance: sync.session.id } })
}

/** Users have as many GPUs as there may be. */
export const userGpusIgnored: Mutation = {
  limits: (limits) => ({ ...limits, maxGpusPerUser: limits.maxGpus })
}

/** Each owner gives out one GPU more than there may be. */
export const gpusMiscounted: Mutation = {
  limits: (limits) => ({ ...limits, maxGpus: limits.maxGpus + 1 })
}

/** An owner of a version that knew no GPUs. */
export const olderOwner: Mutation = {
  told: ({ gpus: _, ...sync }) => ({ ...sync, places: sync.places.map(({ gpus: _, ...place }) => place) }),
  answer: (answer) => {
    if (answer._tag !== "Answer") return answer
    const { countsGpus: _, ...rest } = answer
    return new Answer(rest)
  }
}

/** A dead replica's permits are given to others while its programs run. */
export const deathTakenForEnd: Mutation = { reapClaimed: true }

/** The owner is not told that a place was left. */
export const leavingUnsaid: Mutation = { told: (sync) => ({ ...sync, left: [] }) }

/** What waits is told to the owner in the wrong order. */
export const orderLost: Mutation = {
  told: (sync) => ({ ...sync, places: sync.places.toReversed().map(({ ticket: _, ...place }) => place) })
}

/** The next owner is not told where in the queue each was. */
export const ticketsForgotten: Mutation = {
  told: (sync) => ({ ...sync, places: sync.places.map(({ ticket: _, ...place }) => place) })
}

/** The next owner is not told of what only waits. */
export const placesForgotten: Mutation = {
  told: (sync) => (sync.base === undefined ? { ...sync, places: sync.places.filter(isHeld) } : sync)
}
const isHeld = ({ state }: Sync["places"][number]) => state === "holds"

/** A replica is told that it has a permit for everything that it was told to wait with. */
export const waitTakenForGrant: Mutation = {
  answer: (answer) =>
    answer._tag === "Answer"
      ? new Answer({ ...answer, granted: [...answer.granted, ...answer.queued.map(({ number }) => number)] })
      : answer
}
