import { Effect, List, Ref, type Scope } from "effect"
import { NoFreeSlot } from "../HostErrors.js"

/** Takes a free slot, and gives it back when the scope closes. */
export type TakeSlot = Effect.Effect<number, NoFreeSlot, Scope.Scope>

/** The numbers 0 to `limit` - 1, each for one sandbox at a time. The launcher derives a sandbox's uids from its slot. */
export const make = (limit: number): Effect.Effect<TakeSlot> =>
  Effect.map(Ref.make(List.fromIterable(Array.from({ length: limit }, (_, slot) => slot))), (free) => {
    const take = Effect.flatten(
      Ref.modify(free, (slots): readonly [Effect.Effect<number, NoFreeSlot>, List.List<number>] =>
        List.isCons(slots) ? [Effect.succeed(slots.head), slots.tail] : [new NoFreeSlot({ limit }), slots]
      )
    )
    return Effect.acquireRelease(take, (slot) => Ref.update(free, List.prepend(slot)))
  })
