import { describeGpus, type Gpus, gpusByKind } from "@bulkhead/domain"
import { Effect, HashSet, Ref, type Scope } from "effect"
import { NoFreeGpus, RequestRefused } from "../HostErrors.js"
import type { Gpu } from "./NvidiaDriver.js"

/** Gives whole GPUs to sandboxes, each to one at a time. */
export interface GpuAllocator {
  readonly present: ReadonlyArray<Gpus>
  /** Takes so many of a kind until the scope closes. Never waits. */
  readonly take: (wanted: Gpus) => Effect.Effect<ReadonlyArray<Gpu>, NoFreeGpus | RequestRefused, Scope.Scope>
}

type Granted = readonly [granted: Effect.Effect<ReadonlyArray<Gpu>, NoFreeGpus>, taken: HashSet.HashSet<Gpu>]

export const make = Effect.fn("GpuAllocator.make")(function* (gpus: ReadonlyArray<Gpu>) {
  const present = gpusByKind(gpus.map(({ kind }) => kind))
  const taken = yield* Ref.make(HashSet.empty<Gpu>())

  const takeFree = ({ count, kind }: Gpus) =>
    Effect.flatten(
      Ref.modify(taken, (before): Granted => {
        const free = gpus.filter((gpu) => gpu.kind === kind && !HashSet.has(before, gpu))
        if (free.length < count) return [new NoFreeGpus({ count, kind }), before]
        const granted = free.slice(0, count)
        return [Effect.succeed(granted), HashSet.union(before, granted)]
      })
    )
  const giveBack = (granted: ReadonlyArray<Gpu>) =>
    Ref.update(taken, (before) => HashSet.difference(before, granted))

  const take = (wanted: Gpus) =>
    present.some(({ count, kind }) => kind === wanted.kind && count >= wanted.count)
      ? Effect.acquireRelease(takeFree(wanted), giveBack)
      : new RequestRefused({ status: 400, message: `this host's GPUs are ${describeGpus(present)}` })

  return { present, take } satisfies GpuAllocator
})
