import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Frames from "../src/Frames.js"

const source = (name: string) => readFileSync(new URL(`../src/${name}`, import.meta.url), "utf8")

describe("The Perl parts", () => {
  for (const names of [["agent.pl", "agentRarely.pl"], ["launcher.pl"]])
    it(`${names.join(" with ")} compiles strictly`, () => {
      const { status, stderr } = spawnSync("/usr/bin/perl", ["-Mstrict", "-c", "-"], {
        input: names.map(source).join("\n")
      })
      assert.strictEqual(status, 0, stderr.toString())
    })

  it("use nothing beyond Perl's core language", () => {
    for (const name of ["agent.pl", "agentRarely.pl", "launcher.pl"])
      assert.deepEqual(source(name).match(/^\s*(use|require) (?!strict;).*/gm) ?? [], [])
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
