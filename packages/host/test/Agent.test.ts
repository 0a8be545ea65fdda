import { spawn } from "node:child_process"
import type { Duplex } from "node:stream"
import { Guest } from "@bulkhead/guest"
import { EmbeddedHost } from "@bulkhead/host"
import { assert, describe, it, layer } from "@effect/vitest"
import { Effect } from "effect"
import * as Frames from "../src/Frames.js"
import { run, sandbox } from "./Fixtures.js"

const { AgentFrame } = Frames
const architecture = Guest.architectureOf(process.arch) ?? "x64"

type Heard = readonly [type: number, id: number, payload: string]

const encodeStart = (id: number, command: string) => {
  const fields = ["user", "/", "", "3", "/bin/sh", "-c", command, "PATH=/usr/bin:/bin"]
  return Frames.encode(AgentFrame.start, id, Buffer.from(fields.join("\0")))
}

/** Runs shell commands under an agent outside a sandbox; gives what is heard until all have ended, and the agent's exit code. */
const runUnder = Effect.fn(function* (commands: ReadonlyArray<string>) {
  const { path } = yield* Guest.read(architecture)
  return yield* Effect.async<{ heard: ReadonlyArray<Heard>; exitCode: number | null }>((resume) => {
    const child = spawn(path, ["agent", "one", "0", "0", "0"], {
      stdio: ["ignore", "ignore", "inherit", "pipe"]
    })
    const line = child.stdio[3] as Duplex
    const heard: Array<Heard> = []
    let running = commands.length
    line.on(
      "data",
      Frames.decoder((type, id, payload) => {
        if (type !== AgentFrame.ready) heard.push([type, id, payload.toString()])
        const isOver = type === AgentFrame.exited || type === AgentFrame.startFailed
        if (isOver && --running === 0) line.end()
      })
    )
    child.on("close", (exitCode) => resume(Effect.succeed({ heard, exitCode })))
    line.write(Buffer.concat(commands.map((command, id) => encodeStart(id, command))))
  })
})

describe("The agent", () => {
  // The agent is stopped until the program is a zombie, so that it meets the last output and the end at once.
  const untilEnded =
    "(exec >/dev/null 2>&1; until grep -q ') Z ' /proc/$$/stat; do :; done; kill -CONT $PPID)"

  it.live("sends what a program wrote before it ended, before its end", () =>
    Effect.gen(function* () {
      const { exitCode, heard } = yield* runUnder([
        `kill -STOP $PPID; ${untilEnded} & echo out; echo err >&2`
      ])
      const said = (type: number) =>
        heard.flatMap(([each, , payload]) => (each === type ? [payload] : [])).join("")
      assert.strictEqual(said(AgentFrame.stdout), "out\n")
      assert.strictEqual(said(AgentFrame.stderr), "err\n")
      assert.strictEqual(said(AgentFrame.exited), "\0\0\0\0")
      assert.strictEqual(heard[heard.length - 1]?.[0], AgentFrame.exited)
      assert.strictEqual(exitCode, 0)
    })
  )

  it.live("tells of each start before any output, however many come at once", () =>
    Effect.gen(function* () {
      const count = 120
      const { heard } = yield* runUnder(Array.from({ length: count }, (_, id) => `echo ${id}`))
      for (let id = 0; id < count; id++) {
        const own = heard.filter(([, each]) => each === id).map(([type]) => type)
        assert.deepStrictEqual(own, [AgentFrame.started, AgentFrame.stdout, AgentFrame.exited])
      }
    })
  )

  it.live("refuses what is longer than the kernel would take, and goes on", () =>
    Effect.gen(function* () {
      const { heard } = yield* runUnder(["true", `: ${"x".repeat(3 << 20)}`, "echo on"])
      const said = heard.flatMap(([type, id, payload]) => (id === 1 ? [[type, payload]] : []))
      assert.deepStrictEqual(said, [
        [AgentFrame.startFailed, "resource_exhausted\0the request: Argument list too long"]
      ])
      assert.include(
        heard.map(([, , payload]) => payload),
        "on\n"
      )
    })
  )
})

layer(EmbeddedHost.layer(), { excludeTestServices: true })("Commands of one sandbox", (it) => {
  it.scoped("may start all at once", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      for (let round = 0; round < 5; round++) {
        const words = Array.from({ length: 30 }, (_, index) => `${round}-${index}`)
        const said = yield* Effect.forEach(words, (word) => run(here, `echo ${word}`), {
          concurrency: "unbounded"
        })
        assert.deepStrictEqual(
          said.map(({ stdout }) => stdout),
          words.map((word) => `${word}\n`)
        )
      }
    })
  )

  it.scoped("that only become the guest program need no shell", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const line = `exec ${Guest.places[architecture]} supervise`
      // With a blank before it the line is the shell's.
      for (const command of [line, ` ${line}`]) {
        const { exitCode, stderr } = yield* run(here, command)
        assert.strictEqual(exitCode, 2)
        assert.strictEqual(stderr, "the supervisor cannot understand its settings: NONCE\n")
      }
    })
  )
})

describe("Frames", () => {
  it("come out whole however their bytes are cut", () => {
    const sent = [Buffer.from("one"), Buffer.alloc(0), Buffer.from("x".repeat(70_000))]
    const bytes = Buffer.concat(sent.map((payload, id) => Frames.encode(7, id, payload)))
    for (const size of [1, 8, 9, 10, 4096, bytes.length]) {
      const got: Array<string> = []
      const push = Frames.decoder((type, id, payload) => got.push(`${type} ${id} ${payload.toString()}`))
      for (let at = 0; at < bytes.length; at += size) push(bytes.subarray(at, at + size))
      assert.deepEqual(
        got,
        sent.map((payload, id) => `7 ${id} ${payload.toString()}`)
      )
    }
  })
})
