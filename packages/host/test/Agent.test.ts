import { spawn, spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import type { Duplex } from "node:stream"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Frames from "../src/Frames.js"

const source = (name: string) => readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8")

describe("The Perl parts", () => {
  const programs = [
    { names: ["agent.pl", "agentRarely.pl"], before: "my $rarely;" },
    { names: ["launcher.pl", "launcherWalls.pl"], before: "" }
  ]
  for (const { before, names } of programs)
    it(`${names.join(" with ")} compiles strictly`, () => {
      const { status, stderr } = spawnSync("/usr/bin/perl", ["-Mstrict", "-c", "-"], {
        input: [before, ...names.map(source)].join("\n")
      })
      assert.strictEqual(status, 0, stderr.toString())
    })

  it("use nothing beyond Perl's core language", () => {
    for (const name of programs.flatMap(({ names }) => names))
      assert.deepEqual(source(name).match(/^\s*(use|require) (?!strict;).*/gm) ?? [], [])
  })
})

const { AgentFrame } = Frames

/** Runs a shell command under the agent, outside a sandbox; gives what is heard of it, and the agent's exit code. */
const runUnder = (agent: string, command: string) =>
  Effect.async<{ heard: ReadonlyArray<readonly [number, string]>; exitCode: number | null }>((resume) => {
    const child = spawn("/usr/bin/perl", ["-", process.arch, "one", "0", "0"], {
      stdio: ["pipe", "ignore", "inherit", "pipe"]
    })
    const line = child.stdio[3] as Duplex
    const heard: Array<readonly [number, string]> = []
    line.on(
      "data",
      Frames.decoder((type, _, payload) => {
        if (type !== AgentFrame.ready) heard.push([type, payload.toString()])
        if (type === AgentFrame.exited) line.end()
      })
    )
    child.on("close", (exitCode) => resume(Effect.succeed({ heard, exitCode })))
    const fields = ["user", "/", "", "3", "/bin/sh", "-c", command, "PATH=/usr/bin:/bin"]
    line.write(Frames.encode(AgentFrame.start, 1, Buffer.from(fields.join("\0"))))
    child.stdin?.end(agent)
  })

describe("The agent", () => {
  // The agent is stopped until the program is a zombie, so that it meets the last output and the end at once.
  const untilEnded =
    "(exec >/dev/null 2>&1; until grep -q ') Z ' /proc/$$/stat; do :; done; kill -CONT $PPID)"

  it.live("compiles nothing more for a program that writes to both outputs and ends", () =>
    Effect.gen(function* () {
      const { exitCode, heard } = yield* runUnder(
        `my $rarely = '';\n${source("agent.pl")}`,
        `kill -STOP $PPID; ${untilEnded} & echo out; echo err >&2`
      )
      const said = (type: number) =>
        heard.flatMap(([each, payload]) => (each === type ? [payload] : [])).join("")
      assert.strictEqual(said(AgentFrame.stdout), "out\n")
      assert.strictEqual(said(AgentFrame.stderr), "err\n")
      assert.strictEqual(said(AgentFrame.exited), "\0\0\0\0")
      assert.strictEqual(exitCode, 0)
    })
  )

  it("finds each of the subs that it rarely needs, and nothing between them", () => {
    const subs = source("agentRarely.pl").split(/^(?=sub \w+ \{)/m)
    for (const sub of subs.slice(1)) assert.match(sub, /^sub \w+ \{(.*\}| *\n([ ].*\n|\n)*\})\n(\n|#.*\n)*$/)
    assert.match(subs[0] ?? "", /^(#.*\n|\n)*$/)
  })
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
