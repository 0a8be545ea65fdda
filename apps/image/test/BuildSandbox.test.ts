import { readdirSync, readFileSync } from "node:fs"
import { NodeContext } from "@effect/platform-node"
import { assert, layer } from "@effect/vitest"
import { Effect, Fiber, Schedule } from "effect"
import { BuildFailure, reasonIn } from "../src/BuildFailure.js"
import * as BuildSandbox from "../src/BuildSandbox.js"

const isRoot = process.getuid?.() === 0

const shell = (line: string, more: Partial<BuildSandbox.BuildCommand> = {}) =>
  BuildSandbox.run({ title: "Trying", words: ["/bin/sh", "-c", line], binds: [], ...more })

/** A place of this machine that no build may see. */
const here = process.cwd()

const isRunning = (mark: string) =>
  readdirSync("/proc").some((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/cmdline`, "utf8").includes(mark)
    } catch {
      return false
    }
  })

const until = (holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry({ schedule: Schedule.spaced("20 millis"), times: 500 }),
    Effect.orDie
  )

layer(NodeContext.layer, { excludeTestServices: true })("What builds an image", (it) => {
  for (const users of isRoot ? ([undefined, "many"] as const) : ([undefined] as const)) {
    const as = users === undefined ? {} : { users }
    const who = users === undefined ? "as one user" : "as many users"

    it.effect(`sees nothing of this machine but its system, ${who}`, () =>
      Effect.gen(function* () {
        const said = yield* shell(
          [
            `ls -A /root /home /srv /etc/shadow /run /var ${here} /build 2>/dev/null | grep -v ':$' | grep -v '^$' | grep -v '^tmp$'`,
            "env | grep -v -E '^(PATH|HOME|LANG|PWD|SHLVL|_|OLDPWD)='",
            "ls /proc | grep -c '^[0-9]*$'",
            "touch /usr/bin/x /etc/passwd.x /usr/x 2>/dev/null && echo written",
            "cat /proc/net/route | wc -l"
          ].join("; "),
          as
        )
        const [processes, ...rest] = said.trim().split("\n")
        assert.isBelow(Number(processes), 10, said)
        assert.deepStrictEqual(rest, ["1"])
      })
    )

    it.effect(`has no rights over this machine, ${who}`, () =>
      Effect.gen(function* () {
        const attempts = [
          "mount -o remount,rw,bind /usr && touch /usr/x",
          "echo 1 > /proc/sys/kernel/core_pattern",
          "echo b > /proc/sysrq-trigger",
          "mknod /tmp/disk b 8 0 && head -c 1 /tmp/disk",
          `nsenter --target 1 --mount ls ${here}`,
          `ls /proc/1/root${here} /proc/self/root${here}`,
          "hostname other && false; sysctl -w kernel.hostname=x && [ -e /home/x ]"
        ]
        for (const attempt of attempts)
          assert.instanceOf(yield* Effect.flip(shell(`(${attempt}) 2>&1`, as)), BuildFailure, attempt)
      })
    )
  }

  it.effect("is ended with all that it started, by its limit and by an interruption", () =>
    Effect.gen(function* () {
      const line = "setsid sleep 987654 & setsid sh -c 'trap \"\" TERM; sleep 987654' & sleep 987654"
      const build = yield* Effect.fork(shell(line))
      yield* until(() => isRunning("987654"))
      yield* Fiber.interrupt(build)
      yield* until(() => !isRunning("987654"))
    })
  )

  it.effect("has a bound of time", () =>
    Effect.gen(function* () {
      const { message } = yield* Effect.flip(shell("sleep 876543", { limit: "200 millis" }))
      assert.strictEqual(message, "Trying: it took longer than 200ms")
      yield* until(() => !isRunning("876543"))
    })
  )

  it.effect("has bounds of processes, memory and open files", () =>
    Effect.gen(function* () {
      assert.strictEqual(
        yield* shell("prlimit --raw --noheadings -o soft --data --nofile --core --fsize"),
        "6442450944\n4096\n0\n8589934592\n"
      )
      const error = yield* Effect.flip(shell("python3 -c 'x = bytearray(7 << 30)'"))
      assert.strictEqual(error.message, "Trying: the build ran out of memory")
    })
  )

  it.effect("says in one line why it failed", () =>
    Effect.sync(() => {
      const reasons: ReadonlyArray<readonly [said: string, reason: string]> = [
        ["tar: x: Cannot write: No space left on device", "the disk is full"],
        [
          "E: Unable to locate package graphvis",
          "Debian has no package 'graphvis' in this machine's sources"
        ],
        [
          "npm error code ENOTFOUND",
          "the package registry cannot be reached: is there a network, or a proxy to be set?"
        ],
        ["a\n\nb\u001b[31m\n", "a | b [31m"],
        ["", "it failed without a word"]
      ]
      for (const [said, reason] of reasons) assert.strictEqual(reasonIn(said), reason)
    })
  )
})
