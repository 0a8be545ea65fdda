import { Runner, RunnerStorage, ShardingConfig } from "@effect/cluster"
import { Effect, Equal, Layer, Option } from "effect"

type Runners = Effect.Effect.Success<RunnerStorage.RunnerStorage["Type"]["getRunners"]>

const ownRunner = Effect.map(
  ShardingConfig.ShardingConfig,
  ({ assignedShardGroups, runnerAddress, runnerShardWeight }) =>
    Option.map(runnerAddress, (address) =>
      Runner.make({ address, groups: assignedShardGroups, weight: runnerShardWeight })
    )
)

/** Those that are listed, where this one gets no shards. */
const withoutShards = (runners: Runners, own: Runner.Runner): Runners => [
  ...runners.filter(([runner]) => !Equal.equals(runner, own)),
  [own, false]
]

/**
 * The runners of a database, among which this one gives no signs of life, and has no shards, while `check` fails. One
 * that was taken for dead and goes on is about to end, and would own admission until then.
 */
export const layer = (
  check: Effect.Effect<void, Error>
): Layer.Layer<
  RunnerStorage.RunnerStorage,
  never,
  RunnerStorage.RunnerStorage | ShardingConfig.ShardingConfig
> =>
  Layer.effect(
    RunnerStorage.RunnerStorage,
    Effect.gen(function* () {
      const storage = yield* RunnerStorage.RunnerStorage
      const own = yield* ownRunner
      const isAlive = Effect.isSuccess(check)
      return RunnerStorage.RunnerStorage.of({
        ...storage,
        getRunners: Effect.zipWith(storage.getRunners, isAlive, (runners, isAlive) =>
          isAlive || Option.isNone(own) ? runners : withoutShards(runners, own.value)
        ),
        // Whether the database answers decides whether shards can be released.
        refresh: (address, shards) =>
          Effect.if(isAlive, {
            onTrue: () => storage.refresh(address, shards),
            onFalse: () => Effect.as(storage.getRunners, [])
          })
      })
    })
  )
