import { createHash } from "node:crypto"
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import {
  ArtifactInspector,
  ArtifactScanner,
  ArtifactStore,
  FileArtifactStore,
  ValidatingArtifactCollector
} from "@bulkhead/artifacts"
import { anonymous, ExecutionId } from "@bulkhead/domain"
import { E2BSandbox } from "@bulkhead/e2b"
import { ArtifactCollector, type CollectOptions, Sandbox } from "@bulkhead/sandbox"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, layer } from "@effect/vitest"
import { Context, Duration, Effect, Fiber, Layer, Ref, Schedule, Stream } from "effect"
import { type HostileCase, hostileCases, prelude } from "./ArtifactPrograms.js"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Transcript from "./Transcript.js"

/** A directory outside the sandbox: what we keep, and beside it a file that nobody may read. */
class Outside extends Context.Tag("Outside")<Outside, { readonly root: string; readonly canary: string }>() {
  static readonly layer = Layer.scoped(
    Outside,
    Effect.gen(function* () {
      const root = yield* (yield* FileSystem.FileSystem).makeTempDirectoryScoped()
      const canary = join(root, "canary.txt")
      writeFileSync(canary, "canary")
      // Older than the last change: then even a file system that saves itself the trouble tells of a read.
      utimesSync(canary, 1, 1_000_000_000)
      return { root, canary }
    })
  )
}

const services = ValidatingArtifactCollector.layer().pipe(
  Layer.provideMerge(
    Layer.unwrapEffect(Effect.map(Outside, ({ root }) => FileArtifactStore.layer(join(root, "store"))))
  ),
  Layer.provide(
    ArtifactInspector.layer({ program: new URL("../../../.setup/InspectionWorker.js", import.meta.url) })
  ),
  Layer.provideMerge(ArtifactScanner.layerOff),
  Layer.provideMerge(Outside.layer),
  Layer.provideMerge(EmbeddedE2B.layer),
  Layer.provide(NodeContext.layer)
)

const sandbox = Effect.map(Layer.build(E2BSandbox.layer(EmbeddedE2B.options)), Context.get(Sandbox))

let executions = 0
const nextExecution = Effect.sync(() => ExecutionId.make(`exec_${++executions}`))

/** Runs a program in the sandbox to its end. */
const run = Effect.fnUntraced(function* (inside: Context.Tag.Service<Sandbox>, line: string, env = {}) {
  const command = Sandbox.events(inside, { line, env, lifetime: Duration.seconds(60) })
  const { exit, stderr, stdout } = yield* Transcript.of(command)
  assert.deepStrictEqual(exit, { exitCode: 0 }, stdout + stderr)
})

const collect = Effect.fnUntraced(function* (
  inside: Context.Tag.Service<Sandbox>,
  limits: Partial<CollectOptions["limits"]> = {}
) {
  const collector = yield* ArtifactCollector
  const executionId = yield* nextExecution
  const collected = yield* collector.collect({
    executionId,
    userId: anonymous,
    sandbox: inside,
    limits: { maxArtifactSizeMB: 100, maxArtifactsPerExecution: 20, ...limits },
    outputDir: "output"
  })
  return { executionId, ...collected }
})

const hashed = (content: Uint8Array | string) => createHash("sha256").update(content).digest("hex")

const contentOf = Effect.fnUntraced(function* (executionId: ExecutionId, name: string) {
  const stored = yield* Effect.flatten((yield* ArtifactStore).open(executionId, name))
  return Buffer.concat([...(yield* Stream.runCollect(stored.content))])
})

/** Nothing but what is kept was written, and nothing outside was read. */
const assertNothingElse = Effect.fnUntraced(function* (
  executionId: ExecutionId,
  names: ReadonlyArray<string>
) {
  const { canary, root } = yield* Outside
  const { atimeMs } = statSync(canary)
  assert.strictEqual(atimeMs, 1000, "the canary was read")
  assert.deepStrictEqual(readdirSync(root).toSorted(), ["canary.txt", "store"])
  assert.deepStrictEqual(readdirSync(join(root, "store")).toSorted(), ["kept", "staging"])
  assert.deepStrictEqual(readdirSync(join(root, "store", "staging")), [])
  const own = join(root, "store", "kept", hashed(executionId))
  // Beside the files it says whose they are.
  const kept = names.length === 0 ? ["user"] : readdirSync(own)
  assert.deepStrictEqual(kept.toSorted(), [...names.map(hashed), "user"].toSorted())
  yield* (yield* ArtifactStore).remove(executionId)
  assert.deepStrictEqual(readdirSync(join(root, "store", "kept")), [])
})

const byName = (rejected: ReadonlyArray<{ readonly name: string; readonly reason: string }>) =>
  Object.fromEntries(rejected.map(({ name, reason }) => [name, reason]))

const expected = (rejected: HostileCase["rejected"] = {}) =>
  Object.fromEntries(
    Object.entries(rejected).map(([name, flaw]) => [name, `Artifact validation failed: ${flaw}`])
  )

const expectedCounts = (counts: Readonly<Record<string, number>>) =>
  Object.fromEntries(
    Object.entries(counts).map(([flaw, count]) => [`Artifact validation failed: ${flaw}`, count])
  )

layer(services, { timeout: "60 seconds", excludeTestServices: true })(
  "artifacts on the embedded host",
  (it) => {
    describe("hostile output directories", () => {
      for (const { counts, kept = [], limits, name, program, rejected } of hostileCases) {
        it.scoped(name, () =>
          Effect.gen(function* () {
            const { canary } = yield* Outside
            const inside = yield* sandbox
            const code = prelude + program.replaceAll("CANARY", canary)
            yield* run(inside, 'exec python3 -c "$CODE"', { CODE: code })
            const collected = yield* collect(inside, limits)
            const reasons = byName(collected.rejected)
            if (counts === undefined) assert.deepStrictEqual(reasons, expected(rejected))
            else
              assert.deepStrictEqual(
                expectedCounts(counts),
                Object.fromEntries(
                  (collected.rejectedCounts ?? []).map(({ count, reason }) => [reason, count] as const)
                )
              )
            assert.deepStrictEqual(
              collected.artifacts.map(({ name }) => name),
              kept
            )
            for (const { name, sha256, size } of collected.artifacts) {
              const content = yield* contentOf(collected.executionId, name)
              assert.strictEqual(content.length, size)
              assert.strictEqual(hashed(content), sha256)
              assert.notInclude(content.toString("latin1"), "canary")
              assert.notInclude(content.toString("latin1"), "root:")
            }
            yield* assertNothingElse(collected.executionId, kept)
          })
        )
      }
    })

    it.scoped("refuses a file that is cut off while it is read", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        const program = `
put("a.txt", "a" * (60 << 20))
def cut():
    when_opened("a.txt")
    os.truncate("a.txt", 10)
left_running(cut)`
        yield* run(inside, 'exec python3 -c "$CODE"', { CODE: prelude + program })
        const { artifacts, executionId, rejected } = yield* collect(inside)
        assert.deepStrictEqual(artifacts, [])
        // It depends on whether the cut comes before its opening or after.
        assert.oneOf(rejected[0]?.reason, [
          "Artifact validation failed: it changed while it was read",
          "Artifact validation failed: it could not be read"
        ])
        yield* assertNothingElse(executionId, [])
      })
    )

    /** As in an image without the guest program, into which it can be sent, or cannot. */
    const withoutProgram = (inside: Context.Tag.Service<Sandbox>, packed: (text: string) => string) =>
      Sandbox.of({
        ...inside,
        run: ({ env, line, ...command }) =>
          inside.run({
            ...command,
            line: line.replaceAll("/opt/bulkhead/", "/opt/nothing/"),
            env: {
              ...env,
              ...(env.BULKHEAD_SUPERVISOR === undefined
                ? {}
                : { BULKHEAD_SUPERVISOR: packed(env.BULKHEAD_SUPERVISOR) })
            }
          })
      })

    it.scoped("are listed by a program that is sent along where the image has none", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        yield* run(inside, "mkdir -p output/deep; echo a > output/a.txt; ln -s a.txt output/b.txt")
        const { artifacts, executionId, rejected } = yield* collect(withoutProgram(inside, (text) => text))
        assert.deepStrictEqual(
          artifacts.map(({ name }) => name),
          ["a.txt"]
        )
        assert.strictEqual(rejected[0]?.name, "b.txt")
        yield* assertNothingElse(executionId, ["a.txt"])
      })
    )

    it.scoped("says so where there is something and nothing can be executed", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        yield* run(inside, "mkdir output")
        const bare = withoutProgram(inside, () => "")
        assert.deepInclude(yield* collect(bare), { artifacts: [], rejected: [] })
        yield* run(inside, "echo a > output/a.txt")
        const { artifacts, rejected } = yield* collect(bare)
        assert.deepStrictEqual(artifacts, [])
        assert.deepStrictEqual(rejected, [
          {
            name: "output",
            reason:
              "Artifact validation failed: artifacts cannot be collected where nothing of ours can be executed"
          }
        ])
      })
    )

    it.scoped("says so when the sandbox has gone", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        yield* inside.destroy
        const { artifacts, rejected } = yield* collect(inside)
        assert.deepStrictEqual(artifacts, [])
        assert.strictEqual(rejected.length, 1)
        assert.include(rejected[0]?.reason, "Artifact validation failed: ")
      })
    )

    it.scoped("lets go of a connection whenever a read ends", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        yield* run(inside, "head -c 20000000 /dev/zero > a; : > empty")
        // More than the SDK has connections for files: each must be given back.
        for (let count = 0; count < 12; count++) {
          yield* Stream.runDrain(Stream.take(inside.read("a"), 1))
          const fiber = yield* Effect.fork(Stream.runForEach(inside.read("a"), () => Effect.never))
          yield* Effect.yieldNow()
          yield* Fiber.interrupt(fiber)
          yield* Effect.ignore(Stream.runDrain(inside.read("nothing")))
        }
        const size = yield* Stream.runFold(inside.read("a"), 0, (sum, bytes) => sum + bytes.length)
        assert.strictEqual(size, 20_000_000)
        assert.strictEqual(
          yield* Stream.runCount(Stream.filter(inside.read("empty"), (bytes) => bytes.length > 0)),
          0
        )
      })
    )

    it.scoped("passes 100 MB on without holding them in memory", () =>
      Effect.gen(function* () {
        const inside = yield* sandbox
        const write = (bytes: number) =>
          run(inside, `mkdir -p output; yes 0123456789abcde | head -c ${bytes} > output/a.txt`)
        // The first passes bring Node's heaps and pools to their size.
        yield* write(10 << 20)
        for (let count = 0; count < 4; count++) {
          const { executionId } = yield* collect(inside)
          yield* (yield* ArtifactStore).remove(executionId)
        }
        yield* write(100 << 20)
        // All that the process has, and what its buffers hold, which a process that has had more before cannot hide.
        const held = Effect.sync(() => {
          const { arrayBuffers, rss } = process.memoryUsage()
          return { arrayBuffers: arrayBuffers / 1_048_576, rss: rss / 1_048_576 }
        })
        const before = yield* held
        const most = yield* Ref.make(before)
        const watch = yield* Effect.flatMap(held, ({ arrayBuffers, rss }) =>
          Ref.update(most, (peak) => ({
            arrayBuffers: Math.max(peak.arrayBuffers, arrayBuffers),
            rss: Math.max(peak.rss, rss)
          }))
        ).pipe(Effect.repeat(Schedule.spaced("5 millis")), Effect.fork)
        const { artifacts, executionId, rejected } = yield* collect(inside)
        yield* Fiber.interrupt(watch)
        const peak = yield* Ref.get(most)
        assert.deepStrictEqual(rejected, [])
        const [artifact] = artifacts
        assert.strictEqual(artifact?.size, 104_857_600)
        assert.strictEqual(artifact?.sha256, hashed("0123456789abcde\n".repeat(6_553_600)))
        assert.isBelow(peak.rss - before.rss, 50)
        // Some of it is waiting to be collected; whoever keeps the file has more than its 100 MB here.
        assert.isBelow(peak.arrayBuffers - before.arrayBuffers, 90)
        yield* assertNothingElse(executionId, ["a.txt"])
      })
    )

    it.effect("would have noticed a read of the file outside", () =>
      Effect.map(Outside, ({ canary }) => {
        readFileSync(canary)
        assert.notStrictEqual(statSync(canary).atimeMs, 1000)
      })
    )
  }
)
