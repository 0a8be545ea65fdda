import type { ExecutionSummary, LoadSample, LoadTick } from "@bulkhead/domain"
import { SandboxService } from "@bulkhead/sandbox"
import { Chunk, Clock, Duration, Effect, Ref, Schedule, type Scope, Stream } from "effect"

/** Between two samples that are kept, and for how long they are. */
export const sampleInterval = Duration.seconds(10)
const mostSamples = 360

/** Between two ticks. */
export const tickInterval = Duration.millis(500)

const sample = Effect.gen(function* () {
  const { activeExecutions, pool, queuedExecutions, totalUsers } = yield* (yield* SandboxService)
    .getSystemMetrics
  return {
    at: yield* Clock.currentTimeMillis,
    active: activeExecutions,
    queued: queuedExecutions,
    users: totalUsers,
    poolIdle: pool.idle,
    poolTarget: pool.target
  } satisfies LoadSample
})

const nameOf = ({ executionId, state }: ExecutionSummary) => `${executionId} ${state}`

/** What is another when an execution came, went on or ended; also one that came and ended since the last look. */
const situation = Effect.gen(function* () {
  const { getSystemMetrics, listExecutions } = yield* SandboxService
  const { queuedExecutions } = yield* getSystemMetrics
  const lists = yield* Effect.all([
    listExecutions({ state: "starting" }),
    listExecutions({ state: "running" }),
    listExecutions({ state: "tracked" }),
    listExecutions({ limit: 1 })
  ])
  return [queuedExecutions, ...lists.flatMap(({ items }) => items.map(nameOf))].join("\n")
})

/** How busy the system is and was, for everybody who looks at once. */
export interface Load {
  /** The last hour, oldest first. */
  readonly history: Effect.Effect<ReadonlyArray<LoadSample>>
  /** Twice a second, however many read; the work is done once for all of them, and not while nobody reads. */
  readonly ticks: Stream.Stream<LoadTick>
}

export const make: Effect.Effect<Load, never, SandboxService | Scope.Scope> = Effect.gen(function* () {
  const service = yield* SandboxService
  const samples = yield* Ref.make(Chunk.empty<LoadSample>())
  yield* sample.pipe(
    Effect.flatMap((latest) =>
      Ref.update(samples, (all) => Chunk.takeRight(Chunk.append(all, latest), mostSamples))
    ),
    Effect.repeat(Schedule.spaced(sampleInterval)),
    Effect.forkScoped
  )

  const seen = yield* Ref.make({ situation: "", revision: 0 })
  /** A record that cannot be read has changed in nothing that could be shown. */
  const revision = Effect.flatMap(Effect.option(situation), (now) =>
    Ref.updateAndGet(seen, (last) =>
      now._tag === "None" || now.value === last.situation
        ? last
        : { situation: now.value, revision: last.revision + 1 }
    )
  )
  const tick = Effect.all({
    at: Clock.currentTimeMillis,
    metrics: service.getSystemMetrics,
    readiness: service.readiness,
    revision: Effect.map(revision, ({ revision }) => revision)
  })
  const ticks = yield* Stream.repeatEffectWithSchedule(tick, Schedule.spaced(tickInterval)).pipe(
    Stream.provideService(SandboxService, service),
    Stream.share({ capacity: 1, strategy: "sliding", replay: 1 })
  )
  return { history: Effect.map(Ref.get(samples), Chunk.toReadonlyArray), ticks }
})
