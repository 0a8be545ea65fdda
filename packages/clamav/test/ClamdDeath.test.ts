import { type ChildProcess, spawn } from "node:child_process"
import { randomUUID } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ArtifactScanner } from "@bulkhead/artifacts"
import { ClamavScanner } from "@bulkhead/clamav"
import { assert, it } from "@effect/vitest"
import { Effect, Fiber, Option, Ref, Schedule, Stream } from "effect"

const DEATHS = 20

/** Finds every file clean that it has heard to the end, and takes its time. */
const clamd = `
const { createServer } = require("node:net")
const { rmSync } = require("node:fs")
rmSync(process.argv[1], { force: true })
createServer((socket) => {
  socket.on("error", () => {})
  socket.on("data", (bytes) => {
    if (bytes.subarray(-4).equals(Buffer.alloc(4))) setTimeout(() => socket.end("stream: OK\\0"), 30)
  })
}).listen(process.argv[1], () => console.log("ready"))`

const path = join(tmpdir(), `clamd-${randomUUID()}.sock`)

const started = Effect.async<ChildProcess>((resume) => {
  const child = spawn(process.execPath, ["-e", clamd, path], { stdio: ["ignore", "pipe", "inherit"] })
  child.stdout.once("data", () => resume(Effect.succeed(child)))
})

const killed = (child: ChildProcess) =>
  Effect.async<void>((resume) => {
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGKILL")
  })

it.scopedLive(
  "a clamd that is killed again and again under load leaves no scan without an end, and none that is wrong",
  () =>
    Effect.gen(function* () {
      const running = yield* Ref.make(yield* started)
      yield* Effect.addFinalizer(() => Effect.flatMap(Ref.get(running), killed))
      const { scan } = yield* ArtifactScanner
      const scanOnce = scan(Stream.make(new Uint8Array(10_000)))
      const ends = { clean: 0, failed: 0 }
      const scanner = Effect.match(scanOnce, {
        onFailure: ({ message }) => {
          assert.match(message, /^clamd (cannot be reached|went away without an answer)$/)
          ends.failed += 1
        },
        onSuccess: (verdict) => {
          assert.deepStrictEqual(verdict, { _tag: "Clean" })
          ends.clean += 1
        }
      })
      const pause = Schedule.spaced("1 millis")
      const scanners = yield* Effect.fork(
        Effect.all(
          Array.from({ length: 4 }, () => Effect.repeat(scanner, pause)),
          { concurrency: 4 }
        )
      )
      for (let deaths = 0; deaths < DEATHS; deaths++) {
        yield* Effect.flatMap(Ref.get(running), killed)
        assert.strictEqual((yield* Effect.flip(scanOnce))._tag, "ScanFailure")
        yield* Ref.set(running, yield* started)
        assert.deepStrictEqual(yield* scanOnce, { _tag: "Clean" })
      }
      assert.isTrue(Option.isNone(yield* Fiber.poll(scanners)))
      assert.isAbove(ends.failed, DEATHS)
      assert.isAbove(ends.clean, 0)
    }).pipe(Effect.provide(ClamavScanner.layer({ address: { path } }))),
  60_000
)
