import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { ArtifactScanner } from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { FileSystem } from "@effect/platform"
import { NodeContext } from "@effect/platform-node"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Schedule, Stream } from "effect"

const clamd = ["/usr/sbin/clamd", "/usr/local/sbin/clamd", "/usr/bin/clamd"].find((path) => existsSync(path))

/** The harmless file that every scanner knows; in two parts, so that no scanner takes this test for it. */
const eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].join("")
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
const start = Effect.fnUntraced(function* (more: ReadonlyArray<string> = []) {
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
  const address = { path: join(directory, "clamd.sock") }
  const scan = (content: Stream.Stream<Uint8Array>) =>
    Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(content)).pipe(
      Effect.provide(ClamavScanner.layer({ address }))
    )
  yield* Effect.retry(scan(Stream.empty), Schedule.spaced("50 millis")).pipe(Effect.timeout("25 seconds"))
  return scan
})

const text = (content: string) => Stream.make(new TextEncoder().encode(content))
const zeros = (mebibytes: number) => Stream.map(Stream.range(1, mebibytes), () => new Uint8Array(1_048_576))

describe.skipIf(clamd === undefined)(
  clamd === undefined ? "clamd (skipped: clamd is not installed; Debian has it in clamav-daemon)" : "clamd",
  () => {
    it.scopedLive(
      "finds the EICAR test file and nothing in others",
      () =>
        Effect.gen(function* () {
          const scan = yield* start()
          assert.deepStrictEqual(yield* scan(text(eicar)), {
            _tag: "Infected",
            name: "Test.EICAR.UNOFFICIAL"
          })
          assert.deepStrictEqual(yield* scan(text("hello")), { _tag: "Clean" })
          assert.deepStrictEqual(yield* scan(zeros(50)), { _tag: "Clean" })
        }).pipe(Effect.provide(NodeContext.layer)),
      60_000
    )

    it.scopedLive(
      "takes no file for clean that is longer than it reads",
      () =>
        Effect.gen(function* () {
          const scan = yield* start(["StreamMaxLength 1M"])
          const failure = yield* Effect.flip(scan(zeros(4)))
          // clamd hangs up on what it has not read, and then its answer may be lost.
          assert.match(failure.message, /size limit exceeded|cannot be reached|went away/)
        }).pipe(Effect.provide(NodeContext.layer)),
      60_000
    )
  }
)
