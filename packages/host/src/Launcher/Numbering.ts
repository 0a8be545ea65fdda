import { Effect, Ref } from "effect"
import * as Slots from "./Slots.js"

/** The numbers of a host's launchers and their sandboxes. All launchers share them, so none is used twice. */
export interface Numbering {
  readonly slots: Slots.Slots
  readonly nextLauncher: Effect.Effect<number>
  /** Never used again, since the cgroups that are named so may outlive the launcher that made them. */
  readonly nextSandbox: Effect.Effect<number>
}

const counter = Effect.map(Ref.make(0), (last) => Ref.updateAndGet(last, (number) => number + 1))

export const make = Effect.fn("Numbering.make")(function* (maxSandboxes: number) {
  return {
    slots: yield* Slots.make(maxSandboxes),
    nextLauncher: yield* counter,
    nextSandbox: yield* counter
  } satisfies Numbering
})
