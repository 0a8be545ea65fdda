import { execFile } from "node:child_process"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { script } from "../src/SupervisorScript.js"

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
  BULKHEAD_ENV: ""
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
