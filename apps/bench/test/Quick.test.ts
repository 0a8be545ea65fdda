import { join } from "node:path"
import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Checkout from "../src/Checkout.js"
import * as BenchCommand from "./BenchCommand.js"

describe("The bench", () => {
  it.scopedLive(
    "runs every row, compares with another checkout, and writes what it found",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const other = join(yield* fs.makeTempDirectoryScoped(), "checkout")
        yield* fs.symlink(Checkout.ours, other)
        const { found, report } = yield* BenchCommand.measured("--quick", "--against", other)
        assert.strictEqual(found.sandboxes.measured.length, 4 * 5)
        assert.strictEqual(found.sandboxes.timeouts.atOnce, 4)
        assert.include(report, "POST /api/execute")
        assert.include(report, "gVisor 9")
        assert.isAbove(found.storm.felt.health.p99, 0)
        assert.isAtLeast(Object.keys(found.storm.felt.answers).length, 20)
        assert.strictEqual(found.storm.fullQueues.length, 2)
        assert.include(report, "open brackets")
        assert.isAbove(found.newcomers.fresh.p99, 0)
        assert.isAbove(found.newcomers.kept.p99, 0)
        assert.include(report, "over a fresh connection")
        assert.strictEqual(found.stream.streams, 8)
        assert.isAbove(found.stream.lines, 0)
        assert.strictEqual(found.images.pairs, 2)
        assert.include(report, "on an image over plain")
        assert.strictEqual(found.uploads.atOnce, 8)
        assert.include(report, "8 at once")
        // Nothing of it where PostgreSQL is not installed.
        if (found.cluster !== undefined) {
          assert.strictEqual(found.cluster.executions.length, 2 * 2)
          assert.strictEqual(found.cluster.permits.length, 2)
          assert.include(report, "added to the median execution by the cluster, one replica")
        }
        assert.isAbove(found.queue.bytesEach, 100)
        assert.deepStrictEqual(
          found.admission.map(({ waiting }: { readonly waiting: number }) => waiting),
          [100, 1000]
        )
        assert.include(report, "with 1000 waiting")
        assert.strictEqual(found.fairness.alone.turns.most, 0)
        assert.isAtMost(found.fairness.beside.turns.most, 1)
        assert.strictEqual(found.against.directory, other)
        assert.isUndefined(found.throughput)
        assert.strictEqual(found.against.numbers.length, 4 + 2)
        for (const { ours, ratio, theirs, what } of found.against.numbers) {
          assert.isAbove(ours.median, 0, what)
          assert.closeTo(ratio.median, ours.median / theirs.median, 1e-9, what)
        }
      }).pipe(Effect.provide(NodeContext.layer)),
    240_000
  )

  for (const group of ["throughput", "overhead"])
    it.scopedLive(
      `measures ${group} alone`,
      () =>
        Effect.gen(function* () {
          const { found, report } = yield* BenchCommand.measured("--quick", "--only", group)
          assert.deepStrictEqual(Object.keys(found), [group, "machine", "loadAfter"])
          assert.strictEqual(found[group].length, 2)
          assert.include(report, "on mock sandboxes")
        }).pipe(Effect.provide(NodeContext.layer)),
      60_000
    )

  it.live(
    "tells its options",
    () =>
      Effect.map(Command.string(BenchCommand.make("--help")), (said) =>
        assert.include(said, "--against DIR")
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "refuses a group that it does not have",
    () =>
      Effect.map(Command.exitCode(BenchCommand.make("--only", "everything")), (code) =>
        assert.notStrictEqual(code, 0)
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "refuses an option that it does not have",
    () =>
      Effect.map(Command.exitCode(BenchCommand.make("--slow")), (code) =>
        assert.notStrictEqual(code, 0)
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )
})
