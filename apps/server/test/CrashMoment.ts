import { Effect, Random } from "effect"

/** When a server is killed. Times are in milliseconds. */
export type Moment =
  /** After it was told to start, and perhaps before it listens. */
  | { readonly _tag: "Starting"; readonly after: number }
  /** After its callers have begun. */
  | { readonly _tag: "Busy"; readonly after: number }
  /** After it was told to stop, while it lets what runs finish. */
  | { readonly _tag: "Draining"; readonly stopAfter: number; readonly after: number }

const starting = Effect.map(Random.nextIntBetween(0, 1500), (after): Moment => ({ _tag: "Starting", after }))

const busy = Effect.map(Random.nextIntBetween(0, 2500), (after): Moment => ({ _tag: "Busy", after }))

const draining = Effect.map(
  Effect.all([Random.nextIntBetween(200, 1200), Random.nextIntBetween(0, 1200)]),
  ([stopAfter, after]): Moment => ({ _tag: "Draining", stopAfter, after })
)

/** So that a few rounds in a row have every kind, and a server that starts has something to take up. */
const cycle = [busy, busy, starting, busy, draining]

export const random = (round: number): Effect.Effect<Moment> =>
  Effect.suspend(() => cycle[round % cycle.length] ?? busy)

export const describe = (moment: Moment) =>
  moment._tag === "Draining"
    ? `told to stop after ${moment.stopAfter} ms, killed ${moment.after} ms later`
    : `killed ${moment.after} ms after ${moment._tag === "Busy" ? "its callers began" : "it was told to start"}`
