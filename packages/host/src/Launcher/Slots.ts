import { Effect, List, Ref } from "effect"
import { NoFreeSlot } from "../HostErrors.js"

/** The numbers 0 to `limit` - 1, each for one sandbox at a time. The launcher derives the sandbox's uids from it. */
export interface Slots {
  readonly take: Effect.Effect<number, NoFreeSlot>
  readonly giveBack: (slot: number) => Effect.Effect<void>
}

type Taken = readonly [slot: Effect.Effect<number, NoFreeSlot>, free: List.List<number>]

export const make = (limit: number): Effect.Effect<Slots> =>
  Effect.map(Ref.make(List.fromIterable(Array.from({ length: limit }, (_, slot) => slot))), (free) => ({
    take: Effect.flatten(
      Ref.modify(
        free,
        (slots): Taken =>
          List.isCons(slots) ? [Effect.succeed(slots.head), slots.tail] : [new NoFreeSlot({ limit }), slots]
      )
    ),
    giveBack: (slot) => Ref.update(free, List.prepend(slot))
  }))
