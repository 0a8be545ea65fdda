import { renameSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Sandbox } from "e2b"
import { Effect, Fiber, Schedule } from "effect"
import { descendantsOf, isAlive, rejection, run, until } from "./Fixtures.js"
import { bundled } from "./HostBundle.js"
import { connectionTo, type RunningHost, startHost } from "./RunningHost.js"

const isRoot = process.getuid?.() === 0

/** Uids that a host can have here: none means this test's own. */
const users = isRoot ? [undefined, 65534] : [undefined]

const launcherOf = (host: RunningHost) => descendantsOf(host.child.pid ?? 0)[0] ?? 0

const created = (host: RunningHost) => Effect.promise(() => Sandbox.create(connectionTo(host)))

const works = (host: RunningHost) =>
  Effect.flatMap(created(host), (sandbox) =>
    Effect.map(run(sandbox, "echo on"), ({ stdout }) => assert.strictEqual(stdout, "on\n"))
  )

// They mostly wait, each for the launcher of a host of its own.
for (const uid of users)
  describe.concurrent(`The launcher of a host ${uid === undefined ? "of this user's" : `of user ${uid}'s`}`, () => {
    it.scopedLive("may die again and again, also while it starts", () =>
      Effect.gen(function* () {
        const host = yield* startHost(yield* bundled, uid)
        yield* works(host)
        for (let deaths = 0; deaths < 5; deaths++) {
          const launcher = launcherOf(host)
          process.kill(launcher, "SIGKILL")
          yield* until("another one is there", () => ![0, launcher].includes(launcherOf(host)))
        }
        yield* works(host)
      })
    )

    it.scopedLive("is killed and replaced when it is stopped, under who waits for it", () =>
      Effect.gen(function* () {
        const host = yield* startHost(yield* bundled, uid)
        const held = yield* created(host)
        const handle = yield* Effect.promise(() => held.commands.run("exec sleep 600", { background: true }))
        const lost = yield* Effect.fork(rejection(() => handle.wait()))
        const launcher = launcherOf(host)
        let said = ""
        host.child.stdout?.on("data", (bytes: Buffer) => {
          said += bytes.toString()
        })
        process.kill(launcher, "SIGSTOP")
        yield* works(host)
        assert.isFalse(isAlive(launcher))
        assert.include(said, "it did not answer for 10 s, and was killed")
        assert.include((yield* Fiber.join(lost)).message, "the launcher of this sandbox died under it")
      })
    )

    it.scopedLive("is tried again and again while it cannot be started", () =>
      Effect.gen(function* () {
        const directory = yield* bundled
        const host = yield* startHost(directory, uid)
        const program = join(directory, `guest-${process.arch}`)
        renameSync(program, `${program}.away`)
        process.kill(launcherOf(host), "SIGKILL")
        const refused = yield* Effect.flip(Effect.tryPromise(() => Sandbox.create(connectionTo(host))))
        const reason = "The launcher of the sandboxes cannot be started again: it cannot be run: ENOENT"
        assert.include(String(refused.error), reason)
        assert.isNull(host.child.exitCode)
        renameSync(`${program}.away`, program)
        yield* works(host).pipe(
          Effect.sandbox,
          Effect.retry({ schedule: Schedule.spaced("50 millis"), times: 200 })
        )
      })
    )
  })
