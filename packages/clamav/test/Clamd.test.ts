import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { ArtifactScanner } from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { ArtifactScannerConformance } from "@bulkhead/testing/conformance"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Schedule, Stream } from "effect"

const clamd = ["/usr/sbin/clamd", "/usr/local/sbin/clamd", "/usr/bin/clamd"].find((path) => existsSync(path))

const eicarSignature = "44d88612fea8a8f36de82e1278abb02f:68:Test.EICAR"

const settings = (directory: string, more: ReadonlyArray<string>) =>
  [
    `LocalSocket ${join(directory, "clamd.sock")}`,
    `DatabaseDirectory ${directory}`,
    `TemporaryDirectory ${directory}`,
    "Foreground yes",
    ...more
  ].join("\n")

/** A clamd of our own, which knows one signature. */
const layer = (more: ReadonlyArray<string> = []) =>
  Layer.unwrapScoped(
    Effect.gen(function* () {
      const files = yield* FileSystem.FileSystem
      const directory = yield* files.makeTempDirectoryScoped()
      yield* files.writeFileString(join(directory, "eicar.hdb"), `${eicarSignature}\n`)
      yield* files.writeFileString(join(directory, "clamd.conf"), settings(directory, more))
      yield* Effect.acquireRelease(
        Effect.sync(() => spawn(clamd ?? "", ["-c", join(directory, "clamd.conf")], { stdio: "ignore" })),
        (process) =>
          Effect.async<void>((resume) => {
            process.once("exit", () => resume(Effect.void))
            process.kill("SIGKILL")
          })
      )
      const scanner = ClamavScanner.layer({ address: { path: join(directory, "clamd.sock") } })
      yield* scan(Stream.empty).pipe(
        Effect.provide(scanner),
        Effect.retry(Schedule.spaced("50 millis")),
        Effect.timeout("25 seconds")
      )
      return scanner
    })
  ).pipe(Layer.provide(NodeContext.layer))

const scan = (content: Stream.Stream<Uint8Array>) =>
  Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(content))

const zeros = (mebibytes: number) => Stream.map(Stream.range(1, mebibytes), () => new Uint8Array(1_048_576))

describe.skipIf(clamd === undefined)(
  clamd === undefined ? "clamd (skipped: clamd is not installed; Debian has it in clamav-daemon)" : "clamd",
  () => {
    ArtifactScannerConformance.suite("ClamavScanner on a real clamd", layer(), { timeout: 60_000 })

    it.live(
      "reads fifty megabytes",
      () =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* scan(zeros(50)), { _tag: "Clean" })
        }).pipe(Effect.provide(layer())),
      60_000
    )

    it.live(
      "takes no file for clean that is longer than it reads",
      () =>
        Effect.gen(function* () {
          const failure = yield* Effect.flip(scan(zeros(4)))
          // clamd hangs up on what it has not read, and then its answer may be lost.
          assert.match(failure.message, /size limit exceeded|cannot be reached|went away/)
        }).pipe(Effect.provide(layer(["StreamMaxLength 1M"]))),
      60_000
    )
  }
)
