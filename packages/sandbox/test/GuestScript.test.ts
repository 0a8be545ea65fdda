import { execFile, spawnSync } from "node:child_process"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { script, whole } from "../src/Supervision/GuestScript.js"

it("compiles strictly, and calls nothing that it does not define", () => {
  const { status, stderr } = spawnSync("/usr/bin/perl", ["-Mstrict", "-c", "-"], { input: whole })
  assert.strictEqual(status, 0, stderr.toString())
  const defined = new Set([...whole.matchAll(/^sub (\w+)/gm)].map(([, name]) => name))
  const called = [...whole.matchAll(/(?<![$@%&>\w])([a-z]\w*)\((?!\?)/g)].map(([, name]) => name ?? "")
  const perls = ["defined", "int", "join", "mkdir", "qq", "qw", "scalar", "vec"]
  assert.deepEqual(
    [...new Set(called)].filter((name) => !defined.has(name) && !perls.includes(name)),
    []
  )
})

/** Root over a process tree of its own, in a system without accounts: what is signalled there reaches nobody else. */
const system = [
  ...["--unshare-all", "--uid", "0", "--die-with-parent", "--proc", "/proc", "--dev", "/dev"],
  ...["--ro-bind", "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
]

const variables = {
  BULKHEAD_NONCE: "nonce",
  BULKHEAD_COMMAND: "/usr/bin/true",
  BULKHEAD_FILE: "main.sh",
  BULKHEAD_LIMITS: "1000 100 1000 100000000 16 1000000 1000 100000 80",
  BULKHEAD_ENV: "",
  BULKHEAD_OUTPUT: "output"
}

it.live("as root refuses to start where there is no user to become", () =>
  Effect.gen(function* () {
    const said = yield* Effect.async<string>((resume) => {
      execFile(
        "bwrap",
        [...system, "/usr/bin/perl", "-e", script],
        { env: variables },
        (_, _stdout, stderr) => resume(Effect.succeed(stderr))
      )
    })
    assert.strictEqual(said, "the sandbox has no user of its own\n")
  })
)
