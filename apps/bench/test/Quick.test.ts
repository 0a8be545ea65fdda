import { join } from "node:path"
import { Command, FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Stream } from "effect"
import * as Checkout from "../src/Checkout.js"

const bench = (...args: ReadonlyArray<string>) =>
  Command.make("node", "scripts/bench.mjs", ...args).pipe(Command.workingDirectory(Checkout.ours))

/** Gives the results too. Why there are none is in the output of the test. */
const measured = Effect.fnUntraced(function* (...args: ReadonlyArray<string>) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.makeTempFileScoped()
  const report = yield* Command.string(Command.stderr(bench(...args, "--json", file), "inherit"))
  return { report, found: JSON.parse(yield* fs.readFileString(file)) }
})

describe("The bench", () => {
  it.scopedLive(
    "runs every row and writes what it found",
    () =>
      Effect.gen(function* () {
        const { found, report } = yield* measured("--quick")
        assert.strictEqual(found.sandboxes.measured.length, 4 * 4)
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
        assert.strictEqual(found.throughput.length, 2)
        assert.strictEqual(found.overhead.length, 2)
        assert.isAbove(found.queue.bytesEach, 100)
        assert.deepStrictEqual(
          found.admission.map(({ waiting }: { readonly waiting: number }) => waiting),
          [100, 1000]
        )
        assert.strictEqual(found.fairness.alone.turns.most, 0)
        assert.isAtMost(found.fairness.beside.turns.most, 1)
      }).pipe(Effect.provide(NodeContext.layer)),
    240_000
  )

  it.scopedLive(
    "measures one group alone",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const file = yield* fs.makeTempFileScoped()
        const report = yield* Command.string(bench("--quick", "--only", "admission", "--json", file))
        const found = JSON.parse(yield* fs.readFileString(file))
        assert.deepStrictEqual(Object.keys(found), ["admission", "machine", "loadAfter"])
        assert.include(report, "with 1000 waiting")
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.scopedLive(
    "compares sandboxes and the service with those of another checkout",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const theirs = yield* fs.makeTempDirectoryScoped()
        const other = join(theirs, "checkout")
        yield* fs.symlink(Checkout.ours, other)
        const { against, sandboxes, throughput } = (yield* measured("--quick", "--against", other)).found
        assert.strictEqual(against.directory, other)
        assert.strictEqual(sandboxes.measured.length, 4 * 5)
        assert.isUndefined(throughput)
        assert.strictEqual(against.numbers.length, 4 + 2)
        for (const { ours, ratio, theirs, what } of against.numbers) {
          assert.isAbove(ours.median, 0, what)
          assert.closeTo(ratio.median, ours.median / theirs.median, 1e-9, what)
        }
      }).pipe(Effect.provide(NodeContext.layer)),
    240_000
  )

  it.scopedLive(
    "says at once what another checkout lacks",
    () =>
      Effect.gen(function* () {
        const fs = yield* FileSystem.FileSystem
        const other = yield* fs.makeTempDirectoryScoped()
        const child = yield* Command.start(bench("--quick", "--against", other))
        const said = yield* Stream.mkString(Stream.decodeText(child.stderr))
        assert.notStrictEqual(yield* child.exitCode, 0)
        assert.include(said, "no apps/server/dist/bulkhead.js and no apps/bench/dist/bulkhead-bench.js there")
        assert.notInclude(said, "Starting the server")
      }).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "tells its options",
    () =>
      Effect.map(Command.string(bench("--help")), (said) => assert.include(said, "--against DIR")).pipe(
        Effect.provide(NodeContext.layer)
      ),
    60_000
  )

  it.live(
    "refuses to compare what it cannot",
    () =>
      Effect.map(Command.exitCode(bench("--only", "queue", "--against", Checkout.ours)), (code) =>
        assert.notStrictEqual(code, 0)
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "refuses a group that it does not have",
    () =>
      Effect.map(Command.exitCode(bench("--only", "everything")), (code) =>
        assert.notStrictEqual(code, 0)
      ).pipe(Effect.provide(NodeContext.layer)),
    60_000
  )

  it.live(
    "refuses an option that it does not have",
    () =>
      Effect.map(Command.exitCode(bench("--slow")), (code) => assert.notStrictEqual(code, 0)).pipe(
        Effect.provide(NodeContext.layer)
      ),
    60_000
  )
})
