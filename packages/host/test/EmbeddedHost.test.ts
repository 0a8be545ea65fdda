import { EmbeddedHost } from "@bulkhead/host"
import { assert, it, layer } from "@effect/vitest"
import {
  AuthenticationError,
  type CommandStartOpts,
  FileNotFoundError,
  InvalidArgumentError,
  Sandbox,
  SandboxNotFoundError,
  type SandboxOpts,
  TimeoutError
} from "e2b"
import { Context, Deferred, Effect, Exit, Fiber, Layer, Redacted, Scope } from "effect"
import { connection, processesMarked, rejection, run, sandbox, until } from "./Fixtures.js"

const bytes = (length: number) => new Uint8Array(length).map((_, index) => (index * 31) % 251)

layer(EmbeddedHost.layer(), { excludeTestServices: true })("EmbeddedHost through the SDK", (it) => {
  it.scoped("runs a command and gives back its output and exit code", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      assert.deepInclude(yield* run(here, "echo out; echo err >&2"), {
        ...{ exitCode: 0, stdout: "out\n", stderr: "err\n" }
      })
      assert.deepInclude(yield* run(here, "echo partial; exit 3"), { exitCode: 3, stdout: "partial\n" })
    })
  )

  it.scoped("gives programs the sandbox's environment and the request's, and nothing else", () =>
    Effect.gen(function* () {
      const here = yield* sandbox({ envs: { A: "1", B: "x=y z" } })
      const { stdout } = yield* run(here, "env", { envs: { B: "2" } })
      const names = stdout
        .trim()
        .split("\n")
        .map((line) => line.split("=")[0])
      assert.sameMembers(names, [
        ...["PATH", "HOME", "USER", "LOGNAME", "E2B_SANDBOX", "A", "B"],
        // Without a network, nobody is to try for long.
        ...["NPM_CONFIG_FETCH_RETRIES", "NPM_CONFIG_UPDATE_NOTIFIER"],
        ...["PIP_RETRIES", "PIP_DISABLE_PIP_VERSION_CHECK", "PIP_BREAK_SYSTEM_PACKAGES"],
        ...["PWD", "SHLVL", "_"]
      ])
      assert.include(stdout, "A=1\n")
      assert.include(stdout, "B=2\n")
    })
  )

  it.scoped("starts in the home or where it is told, and says when that is not there", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      assert.strictEqual((yield* run(here, "pwd")).stdout, "/home/user\n")
      assert.strictEqual((yield* run(here, "pwd", { cwd: "/tmp" })).stdout, "/tmp\n")
      const error = yield* rejection(() => here.commands.run("true", { cwd: "/nope" }))
      assert.instanceOf(error, InvalidArgumentError)
      assert.include(error.message, "cwd '/nope' does not exist")
    })
  )

  it.scoped("runs as root when asked", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      assert.strictEqual((yield* run(here, "id -un")).stdout, "user\n")
      assert.strictEqual((yield* run(here, "id -un; touch ~/mine", { user: "root" })).stdout, "root\n")
      const given = yield* run(here, "touch /tmp/gift; chown user /tmp/gift; stat -c %U /tmp/gift", {
        user: "root"
      })
      assert.strictEqual(given.stdout, "user\n")
      const error = yield* rejection(() => here.commands.run("id", { user: "somebody" }))
      assert.instanceOf(error, AuthenticationError)
    })
  )

  it.scoped("feeds standard input to a background command", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const handle = yield* Effect.promise(() => here.commands.run("cat", { background: true, stdin: true }))
      yield* Effect.promise(() => here.commands.sendStdin(handle.pid, "one\n"))
      yield* Effect.promise(() => here.commands.sendStdin(handle.pid, "two\n"))
      yield* Effect.promise(() => here.commands.closeStdin(handle.pid))
      const result = yield* Effect.promise(() => handle.wait())
      assert.strictEqual(result.stdout, "one\ntwo\n")
    })
  )

  it.scoped("lists, connects to and kills background commands", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const handle = yield* Effect.promise(() =>
        here.commands.run("echo up; exec sleep 86399", { background: true })
      )
      const listed = yield* Effect.promise(() => here.commands.list())
      assert.deepEqual(
        listed.map(({ pid }) => pid),
        [handle.pid]
      )
      const second = yield* Effect.promise(() => here.commands.connect(handle.pid))
      assert.isTrue(yield* Effect.promise(() => handle.kill()))
      const first = yield* rejection(() => handle.wait())
      const other = yield* rejection(() => second.wait())
      for (const error of [first, other]) assert.include(error.message, "signal: killed")
      assert.isFalse(yield* Effect.promise(() => here.commands.kill(handle.pid)))
      assert.deepEqual(yield* Effect.promise(() => here.commands.list()), [])
    })
  )

  it.scoped("replays the end to those who connect late", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const handle = yield* Effect.promise(() => here.commands.run("exit 5", { background: true }))
      yield* rejection(() => handle.wait())
      const late = yield* Effect.promise(() => here.commands.connect(handle.pid))
      assert.propertyVal(yield* rejection(() => late.wait()), "exitCode", 5)
    })
  )

  it.scoped("kills the whole process group at a command's deadline, though nobody listens any more", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const error = yield* rejection(() =>
        here.commands.run("sleep 86381 & sleep 86381; true", { timeoutMs: 400 })
      )
      assert.instanceOf(error, TimeoutError)
      yield* until("the sleepers end", () => processesMarked("sleep 86381").length === 0)
    })
  )

  it.scoped("starts many commands in one sandbox at once", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const indices = Array.from({ length: 150 }, (_, index) => index)
      const outputs = yield* Effect.forEach(
        indices,
        (index) => Effect.map(run(here, `echo ${index}`), ({ stdout }) => stdout),
        { concurrency: 30 }
      )
      assert.deepEqual(
        outputs,
        indices.map((index) => `${index}\n`)
      )
    })
  )

  it.scoped("does not wait for daemons that keep the output open", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { stdout } = yield* run(here, "(setsid sleep 86382 &); echo done")
      assert.strictEqual(stdout, "done\n")
    })
  )

  it.scoped("carries a large output whole and in order", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const { stdout } = yield* run(here, "seq 1 400000")
      const lines = stdout.trimEnd().split("\n")
      assert.strictEqual(lines.length, 400_000)
      assert.strictEqual(lines[399_999], "400000")
    })
  )

  it.scoped("writes and reads files, with their parents, as the user", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      yield* Effect.promise(() => here.files.write("a/b/text.txt", "hello"))
      assert.strictEqual(yield* Effect.promise(() => here.files.read("a/b/text.txt")), "hello")
      assert.strictEqual(
        (yield* run(here, "stat -c '%U %a' a/b a/b/text.txt")).stdout,
        "user 755\nuser 644\n"
      )
      yield* Effect.promise(() => here.files.write("a/b/text.txt", ""))
      assert.strictEqual(yield* Effect.promise(() => here.files.read("a/b/text.txt")), "")
      assert.include(yield* Effect.promise(() => here.files.read("/proc/version")), "Linux")
    })
  )

  it.scoped("carries large files both ways, plain and compressed", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const data = bytes(3_000_000)
      for (const gzip of [false, true]) {
        yield* Effect.promise(() =>
          here.files.write("/tmp/big", new Blob([data]), { gzip, useOctetStream: gzip })
        )
        const read = yield* Effect.promise(() => here.files.read("/tmp/big", { format: "bytes" }))
        assert.isTrue(Buffer.from(read).equals(data))
      }
    })
  )

  it.scoped("writes several files at once", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const written = yield* Effect.promise(() =>
        here.files.write([
          { path: "one.txt", data: "1" },
          { path: "/tmp/two.txt", data: "2" }
        ])
      )
      assert.deepEqual(
        written.map(({ path }) => path),
        ["/home/user/one.txt", "/tmp/two.txt"]
      )
      assert.strictEqual((yield* run(here, "cat one.txt /tmp/two.txt")).stdout, "12")
    })
  )

  it.scoped("makes, lists, moves and removes", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const files = here.files
      assert.isTrue(yield* Effect.promise(() => files.makeDir("d/e")))
      assert.isFalse(yield* Effect.promise(() => files.makeDir("d/e")))
      yield* Effect.promise(() => files.write("d/e/f", "x"))
      yield* run(here, "ln -s e d/link")
      const listed = yield* Effect.promise(() => files.list("d", { depth: 2 }))
      assert.deepEqual(
        listed.map(({ path, type }) => [path, type]),
        [
          ["/home/user/d/e", "dir"],
          ["/home/user/d/e/f", "file"],
          ["/home/user/d/link", "dir"]
        ]
      )
      const moved = yield* Effect.promise(() => files.rename("d/e/f", "/tmp/g/f"))
      assert.strictEqual(moved.path, "/tmp/g/f")
      assert.isFalse(yield* Effect.promise(() => files.exists("d/e/f")))
      yield* Effect.promise(() => files.remove("d"))
      yield* Effect.promise(() => files.remove("d"))
      assert.isFalse(yield* Effect.promise(() => files.exists("d")))
      assert.instanceOf(yield* rejection(() => files.read("d/none")), FileNotFoundError)
      assert.instanceOf(yield* rejection(() => files.read("/tmp")), InvalidArgumentError)
    })
  )

  it.scoped("leaves the home and what it lies in where they are, with all that is in them", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const files = here.files
      yield* Effect.promise(() => files.write([".kept/a", "/tmp/a"].map((path) => ({ path, data: "x" }))))
      for (const path of [".", "~", "~/", "/home/user", "/home//user/.", "../user", "/home", "/", "/tmp/"]) {
        for (const start of [() => files.remove(path), () => files.rename(path, "/tmp/moved")]) {
          const error = yield* rejection(start)
          assert.instanceOf(error, InvalidArgumentError, path)
          assert.match(error.message, /(path|source) must leave \/\S+ where it is/)
        }
        assert.strictEqual((yield* run(here, "cat ~/.kept/a /tmp/a; ls /tmp")).stdout, "xxa\n", path)
      }
      yield* Effect.promise(() => files.rename(".kept", "~/moved"))
      yield* Effect.promise(() => files.remove("/home/user/moved"))
      assert.strictEqual((yield* run(here, "ls -A ~")).stdout, "")
    })
  )

  it.scoped("refuses commands that Linux could not start as they are, and says what is too much", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const rows: ReadonlyArray<readonly [string, CommandStartOpts, string]> = [
        [`: ${"x".repeat(131_072)}`, {}, "each of cmd, args and envs must be at most 131071 bytes long"],
        ["true", { envs: { A: "x".repeat(131_072) } }, "each of cmd, args and envs must be at most"],
        [
          "true",
          { envs: Object.fromEntries(Array.from({ length: 21 }, (_, n) => [`A${n}`, "x".repeat(100_000)])) },
          "cmd, args and envs must be at most 2088960 bytes in all"
        ],
        ["true", { envs: { "A=B": "x" } }, "process.envs must be variables"],
        ["true", { envs: { "": "x" } }, "process.envs must be variables"],
        ["true", { envs: { A: "a\0b" } }, "process.envs must be variables"],
        ["echo a\0b", {}, "cmd and args must be without NUL"],
        ["true", { cwd: "a\0b" }, "cwd must be without NUL"]
      ]
      for (const [line, options, message] of rows) {
        const error = yield* rejection(() => here.commands.run(line, options))
        assert.instanceOf(error, InvalidArgumentError, message)
        assert.include(error.message, message)
      }
      assert.strictEqual((yield* run(here, `echo on; : ${"x".repeat(100_000)}`)).stdout, "on\n")
    })
  )

  it.scoped("finds sandboxes by their metadata, however they are written", () =>
    Effect.gen(function* () {
      const metadata = { "key =&": "värde %20+", other: "1" }
      const here = yield* sandbox({ metadata })
      yield* sandbox({ metadata: { other: "1" } })
      const where = yield* connection
      const found = yield* Effect.promise(() =>
        Sandbox.list({ ...where, query: { metadata: { "key =&": "värde %20+" } } }).nextItems()
      )
      assert.deepEqual(
        found.map(({ sandboxId }) => sandboxId),
        [here.sandboxId]
      )
      assert.deepEqual(found[0]?.metadata, metadata)
    })
  )

  it.scoped("lists page by page, newest first", () =>
    Effect.gen(function* () {
      const made = yield* Effect.forEach([1, 2, 3], () => sandbox({ metadata: { pages: "yes" } }))
      const where = yield* connection
      const pages = Sandbox.list({ ...where, limit: 2, query: { metadata: { pages: "yes" } } })
      const first = yield* Effect.promise(() => pages.nextItems())
      assert.isTrue(pages.hasNext)
      const second = yield* Effect.promise(() => pages.nextItems())
      assert.isFalse(pages.hasNext)
      assert.sameMembers(
        [...first, ...second].map(({ sandboxId }) => sandboxId),
        made.map(({ sandboxId }) => sandboxId)
      )
    })
  )

  it.scoped("lists page by page, oldest first", () =>
    Effect.gen(function* () {
      const made = yield* Effect.forEach([1, 2, 3], () => sandbox({ metadata: { pages: "ascending" } }))
      const where = yield* connection
      const query = { metadata: { pages: "ascending" } }
      const pages = Sandbox.list({ ...where, limit: 2, order: "asc", query })
      const first = yield* Effect.promise(() => pages.nextItems())
      const second = yield* Effect.promise(() => pages.nextItems())
      assert.deepEqual(
        [...first, ...second].map(({ sandboxId }) => sandboxId),
        made.map(({ sandboxId }) => sandboxId)
      )
    })
  )

  it.scoped("lists those that started at or after a time", () =>
    Effect.gen(function* () {
      const metadata = { started: "after" }
      const early = yield* sandbox({ metadata })
      const late = yield* sandbox({ metadata })
      const where = yield* connection
      const { startedAt } = yield* Effect.promise(() => late.getInfo())
      const startedAfter = (time: Date) =>
        Effect.promise(async () => {
          const found = await Sandbox.list({ ...where, query: { metadata, startedAfter: time } }).nextItems()
          return found.map(({ sandboxId }) => sandboxId)
        })
      assert.deepEqual(yield* startedAfter(startedAt), [late.sandboxId])
      assert.deepEqual(yield* startedAfter(new Date(startedAt.getTime() + 1)), [])
      assert.deepEqual(yield* startedAfter(new Date(0)), [late.sandboxId, early.sandboxId])
    })
  )

  it.scoped("refuses to make what it does not have, and says so", () =>
    Effect.gen(function* () {
      const where = yield* connection
      const host = yield* EmbeddedHost
      const before = yield* host.sandboxes
      const options: ReadonlyArray<readonly [SandboxOpts, string]> = [
        [{ template: "code-interpreter-v1" }, 'template "code-interpreter-v1" not found'],
        [{ lifecycle: { onTimeout: "pause" } }, "cannot pause"],
        [{ network: { allowOut: ["example.com"] } }, "no network"],
        [{ network: { allowPublicTraffic: true } }, "no network"],
        [{ template: "base", mcp: {} }, "no MCP gateway"],
        [{ volumeMounts: { "/data": "data" } }, "no volumes"],
        [{ envs: { A: "a\0b" } }, "envVars must be variables without NUL"],
        [{ envs: { "A=B": "x" } }, "envVars must be variables without NUL"],
        [{ envs: { A: "x".repeat(131_070) } }, "each of envVars must be at most 131071 bytes long"],
        [
          {
            envs: Object.fromEntries(
              Array.from({ length: 17 }, (_, index) => [`A${index}`, "x".repeat(131_000)])
            )
          },
          "envVars must be at most 2088960 bytes in all"
        ],
        [{ metadata: { a: "ä".repeat(32_800) } }, "metadata must be at most 65536 bytes as JSON"],
        [{ timeoutMs: 25 * 60 * 60 * 1000 }, "timeout must not be greater than 86400 seconds"]
      ]
      for (const [asked, message] of options)
        assert.include((yield* rejection(() => Sandbox.create({ ...where, ...asked }))).message, message)
      assert.strictEqual(yield* host.sandboxes, before)
    })
  )

  it.scoped("says of what else E2B has that it does not", () =>
    Effect.gen(function* () {
      const where = yield* connection
      const here = yield* sandbox()
      for (const [start, message] of [
        [() => here.pause(), "501: this host cannot pause sandboxes"],
        [() => here.createSnapshot(), "501: this host cannot make snapshots of sandboxes"],
        [() => Sandbox.listSnapshots(where).nextItems(), "501: this host has no snapshots"],
        [() => Sandbox.pause("none", where), "not found"]
      ] as const)
        assert.include((yield* rejection(start)).message, message)
    })
  )

  it.scoped("takes what asks for nothing that it lacks", () =>
    Effect.gen(function* () {
      for (const options of [
        { allowInternetAccess: true },
        { allowInternetAccess: false },
        { lifecycle: { onTimeout: "kill" } },
        { network: {} },
        { metadata: { a: "x".repeat(65_528) }, envs: { A: "x".repeat(131_069) } },
        { network: { denyOut: ["0.0.0.0/0"], allowPublicTraffic: false } },
        { template: "base", volumeMounts: {}, timeoutMs: 24 * 60 * 60 * 1000 }
      ] satisfies ReadonlyArray<SandboxOpts>)
        assert.strictEqual((yield* run(yield* sandbox(options), "echo made")).stdout, "made\n")
    })
  )

  it.scoped("refuses more time than any sandbox may have", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const where = yield* connection
      const tooLong = 25 * 60 * 60 * 1000
      for (const start of [
        () => here.setTimeout(tooLong),
        () => Sandbox.connect(here.sandboxId, { ...where, timeoutMs: tooLong })
      ])
        assert.include((yield* rejection(start)).message, "timeout must not be greater than 86400 seconds")
      yield* Effect.promise(() => here.setTimeout(24 * 60 * 60 * 1000))
    })
  )

  it.scoped("ends a sandbox when its time is up, and not before it is given more", () =>
    Effect.gen(function* () {
      const short = yield* sandbox({ timeoutMs: 60_000 })
      const long = yield* sandbox({ timeoutMs: 1000 })
      yield* Effect.promise(() => long.setTimeout(60_000))
      const sleeper = yield* Effect.promise(() =>
        short.commands.run("exec sleep 86383", { background: true })
      )
      yield* Effect.promise(() => short.setTimeout(1000))
      yield* rejection(() => sleeper.wait())
      yield* until("the sleeper ends", () => processesMarked("sleep 86383").length === 0)
      assert.isFalse(yield* Effect.promise(() => short.isRunning()))
      assert.isTrue(yield* Effect.promise(() => long.isRunning()))
    })
  )

  it.scoped("connecting gives a sandbox more time, never less", () =>
    Effect.gen(function* () {
      const here = yield* sandbox({ timeoutMs: 600_000 })
      const where = yield* connection
      const ends = Effect.promise(async () => (await here.getInfo()).endAt.getTime())
      const before = yield* ends
      const again = yield* Effect.promise(() =>
        Sandbox.connect(here.sandboxId, { ...where, timeoutMs: 1000 })
      )
      assert.strictEqual(yield* ends, before)
      yield* Effect.promise(() => Sandbox.connect(here.sandboxId, { ...where, timeoutMs: 900_000 }))
      assert.isAbove(yield* ends, before)
      assert.strictEqual((yield* run(again, "echo same")).stdout, "same\n")
    })
  )

  it.scoped("kills once, knows what is gone, and ends its streams", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const handle = yield* Effect.promise(() => here.commands.run("sleep 86384", { background: true }))
      assert.isTrue(yield* Effect.promise(() => here.kill()))
      assert.deepEqual(processesMarked("sleep 86384"), [])
      assert.instanceOf(yield* rejection(() => handle.wait()), TimeoutError)
      assert.isFalse(yield* Effect.promise(() => here.kill()))
      assert.isFalse(yield* Effect.promise(() => here.isRunning()))
      const where = yield* connection
      assert.instanceOf(yield* rejection(() => Sandbox.connect(here.sandboxId, where)), SandboxNotFoundError)
      assert.instanceOf(yield* rejection(() => here.commands.run("true")), SandboxNotFoundError)
    })
  )

  it.scoped("tells of its end who sends input that nobody reads", () =>
    Effect.gen(function* () {
      const here = yield* sandbox()
      const reads = yield* Deferred.make<void>()
      const onStdout = () => Deferred.unsafeDone(reads, Effect.void)
      const handle = yield* Effect.promise(() =>
        here.commands.run("head -c 1; exec sleep 86381", { background: true, stdin: true, onStdout })
      )
      handle.wait().catch(() => undefined)
      const refused = yield* Effect.fork(
        rejection(() => here.commands.sendStdin(handle.pid, "x".repeat(1_000_000)))
      )
      yield* Deferred.await(reads)
      yield* Effect.promise(() => here.kill())
      const error = yield* Fiber.join(refused)
      assert.instanceOf(error, TimeoutError)
      assert.include(error.message, "the sandbox was killed or reached its end of life")
    })
  )

  it.scoped("makes many sandboxes side by side, each apart from the others", () =>
    Effect.gen(function* () {
      const made = yield* Effect.forEach(Array.from({ length: 12 }), () => sandbox(), {
        concurrency: "unbounded"
      })
      const answers = yield* Effect.forEach(
        made,
        (here, index) => run(here, `echo ${index} > /tmp/mine; ls /tmp | wc -l; cat /tmp/mine`),
        { concurrency: "unbounded" }
      )
      assert.deepEqual(
        answers.map(({ stdout }) => stdout),
        made.map((_, index) => `1\n${index}\n`)
      )
    })
  )

  it.scoped("refuses a wrong key", () =>
    Effect.gen(function* () {
      const where = yield* connection
      const error = yield* rejection(() => Sandbox.create({ ...where, apiKey: "e2b_wrong" }))
      assert.instanceOf(error, AuthenticationError)
    })
  )

  it.scoped("says how sandboxes are isolated", () =>
    Effect.gen(function* () {
      const host = yield* EmbeddedHost
      assert.strictEqual(host.isolation.users, process.getuid?.() === 0 ? "own uids" : "shared uid")
      assert.isAbove(Redacted.value(host.apiKey).length, 32)
      yield* sandbox()
      assert.isAbove(yield* host.sandboxes, 0)
    })
  )
})

it.live("closes its sandboxes at once, though it was made where nothing interrupts", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const context = yield* Effect.uninterruptible(Layer.buildWithScope(EmbeddedHost.layer(), scope))
    const { apiKey, url } = Context.get(context, EmbeddedHost)
    const where = { apiKey: Redacted.value(apiKey), apiUrl: url, sandboxUrl: url }
    const here = yield* Effect.promise(() => Sandbox.create({ ...where, timeoutMs: 60_000 }))
    assert.strictEqual((yield* run(here, "echo well")).stdout, "well\n")
    const handle = yield* Effect.promise(() => here.commands.run("sleep 86387", { background: true }))
    handle.wait().catch(() => undefined)
    yield* Scope.close(scope, Exit.void).pipe(
      Effect.disconnect,
      Effect.timeoutFail({ duration: "10 seconds", onTimeout: () => "it does not close" })
    )
    assert.deepEqual(processesMarked("sleep 86387"), [])
  })
)
