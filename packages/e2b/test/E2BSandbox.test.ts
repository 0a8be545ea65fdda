import { E2BConfig, E2BSandbox } from "@bulkhead/e2b"
import { Sandbox, type SandboxCommand } from "@bulkhead/sandbox"
import { assert, describe, layer } from "@effect/vitest"
import { Sandbox as SdkSandbox } from "e2b"
import { Context, Deferred, Duration, Effect, Exit, Fiber, Layer, Redacted } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Unused from "./Unused.js"

const sandbox = Effect.map(Layer.build(E2BSandbox.layer(EmbeddedE2B.options)), Context.get(Sandbox))

/** Runs a line and keeps what it writes. */
const command = (line: string, more: Partial<SandboxCommand> = {}) => {
  const output = { stdout: "", stderr: "" }
  const run: SandboxCommand = {
    line,
    env: {},
    lifetime: Duration.seconds(30),
    onOutput: (stream, text) => {
      output[stream] += text
    },
    ...more
  }
  return { output, run }
}

const runLine = Effect.fnUntraced(function* (line: string, more: Partial<SandboxCommand> = {}) {
  const { output, run } = command(line, more)
  const exit = yield* (yield* sandbox).run(run)
  return { ...output, exit }
})

/** The ids of the sandboxes that the provider has. */
const listed = Effect.flatMap(E2BConfig, ({ apiKey, apiUrl }) =>
  Effect.promise(() =>
    SdkSandbox.list({ apiKey: Redacted.value(apiKey), ...(apiUrl && { apiUrl }) })
      .nextItems()
      .then((found) => found.map(({ sandboxId }) => sandboxId))
  )
)

layer(EmbeddedE2B.layer, { timeout: "30 seconds" })("E2BSandbox on the embedded host", (it) => {
  describe("run", () => {
    it.scoped("gives the output of both streams and the exit code", () =>
      Effect.gen(function* () {
        const result = yield* runLine("echo out; echo err >&2; exit 3")
        assert.deepStrictEqual(result, { stdout: "out\n", stderr: "err\n", exit: { exitCode: 3 } })
      })
    )

    it.scoped("gives an exit code of 0", () =>
      Effect.map(runLine("true"), ({ exit }) => assert.deepStrictEqual(exit, { exitCode: 0 }))
    )

    it.scoped("names the signal that ended the command", () =>
      Effect.map(runLine("kill -SEGV $$"), ({ exit }) => assert.deepStrictEqual(exit, { signal: "SIGSEGV" }))
    )

    it.scoped("passes the environment on as it is", () =>
      Effect.gen(function* () {
        const value = "two\nlines, 'quotes' and $HOME"
        const { stdout } = yield* runLine('printf %s "$VALUE"', { env: { VALUE: value } })
        assert.strictEqual(stdout, value)
      })
    )

    it.scoped("keeps the order and every byte of a large output", () =>
      Effect.gen(function* () {
        const { stdout } = yield* runLine("seq 1 200000")
        const lines = stdout.trimEnd().split("\n")
        assert.strictEqual(lines.length, 200_000)
        assert.strictEqual(lines.at(-1), "200000")
      })
    )

    it.scoped("tells when the command has started, and its output as it comes", () =>
      Effect.gen(function* () {
        const { run, signal } = yield* sandbox
        const started = yield* Deferred.make<number>()
        const spoke = yield* Deferred.make<string>()
        const fiber = yield* Effect.fork(
          run({
            line: "echo ready; exec sleep 60",
            env: {},
            lifetime: Duration.seconds(30),
            onStart: (pid) => Deferred.unsafeDone(started, Exit.succeed(pid)),
            onOutput: (_, text) => Deferred.unsafeDone(spoke, Exit.succeed(text))
          })
        )
        assert.isAbove(yield* Deferred.await(started), 1)
        assert.strictEqual(yield* Deferred.await(spoke), "ready\n")
        yield* signal("SIGTERM")
        assert.deepStrictEqual(yield* Fiber.join(fiber), { signal: "SIGTERM" })
      })
    )

    it.scoped("gives a failure of the run when the sandbox is gone under it", () =>
      Effect.gen(function* () {
        const { run, destroy } = yield* sandbox
        const started = yield* Deferred.make<void>()
        const onStart = () => Deferred.unsafeDone(started, Exit.void)
        const fiber = yield* Effect.fork(Effect.flip(run(command("sleep 60", { onStart }).run)))
        yield* Deferred.await(started)
        yield* destroy
        const failure = yield* Fiber.join(fiber)
        assert.include(failure, { _tag: "SandboxFailure", phase: "run", code: "ECONNRESET", retryable: true })
        assert.isTrue(failure.mayHaveRun)
      })
    )

    it.scoped("in a sandbox that is gone fails before anything runs", () =>
      Effect.gen(function* () {
        const { run, destroy } = yield* sandbox
        yield* destroy
        const failure = yield* Effect.flip(run(command("true").run))
        assert.include(failure, { phase: "start" })
        assert.isFalse(failure.mayHaveRun)
      })
    )
  })

  describe("signal", () => {
    it.scoped("reaches every process of the user, in whatever session", () =>
      Effect.gen(function* () {
        const { run, signal } = yield* sandbox
        const ready = yield* Deferred.make<void>()
        const line = "setsid sleep 61 & (setsid sleep 62 &) & echo ready; exec sleep 63"
        const fiber = yield* Effect.fork(
          run(command(line, { onOutput: () => Deferred.unsafeDone(ready, Exit.void) }).run)
        )
        yield* Deferred.await(ready)
        yield* signal("SIGKILL")
        assert.deepStrictEqual(yield* Fiber.join(fiber), { signal: "SIGKILL" })
        const { output, run: look } = command("while pgrep -f 'sleep 6[123]'; do :; done; echo gone")
        yield* run(look)
        assert.match(output.stdout, /gone\n$/)
      })
    )
  })

  describe("write", () => {
    it.scoped("puts files where the program finds them, with their directories", () =>
      Effect.gen(function* () {
        const { run, write } = yield* sandbox
        const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256)
        yield* write([
          { path: "main.py", content: new TextEncoder().encode("print(1)") },
          { path: "data/deep/blob.bin", content: bytes },
          { path: "empty", content: new Uint8Array(0) }
        ])
        const { output, run: look } = command(
          "cat main.py; wc -c < data/deep/blob.bin; wc -c < empty; stat -c %U main.py"
        )
        yield* run(look)
        assert.strictEqual(output.stdout, "print(1)70000\n0\nuser\n")
      })
    )
  })

  describe("the end of its scope", () => {
    const scopedSandbox = Effect.map(sandbox, ({ id }) => id)

    it.effect("destroys the sandbox after success", () =>
      Effect.gen(function* () {
        const id = yield* Effect.scoped(
          Effect.tap(scopedSandbox, (id) => Effect.map(listed, (ids) => assert.include(ids, id)))
        )
        assert.notInclude(yield* listed, id)
      })
    )

    it.effect("destroys the sandbox after failure, defect and interruption", () =>
      Effect.gen(function* () {
        const ids: Array<string> = []
        const remember = Effect.tap(scopedSandbox, (id) => Effect.sync(() => ids.push(id)))
        yield* Effect.exit(Effect.scoped(Effect.zipRight(remember, Effect.fail("failure"))))
        yield* Effect.exit(Effect.scoped(Effect.zipRight(remember, Effect.die("defect"))))
        const created = yield* Deferred.make<void>()
        const fiber = yield* Effect.fork(
          Effect.scoped(
            Effect.zipRight(remember, Effect.zipRight(Deferred.succeed(created, undefined), Effect.never))
          )
        )
        yield* Deferred.await(created)
        yield* Fiber.interrupt(fiber)
        assert.strictEqual(ids.length, 3)
        const left = yield* listed
        for (const id of ids) assert.notInclude(left, id)
      })
    )

    it.effect("is at peace with a sandbox that is already destroyed", () =>
      Effect.scoped(Effect.flatMap(sandbox, ({ destroy }) => Effect.zipRight(destroy, destroy)))
    )
  })

  describe("a provider that refuses", () => {
    it.effect("our key is a failure that is not retried", () =>
      Effect.gen(function* () {
        const config = yield* E2BConfig
        const wrong = { ...config, apiKey: Redacted.make("wrong") }
        const failure = yield* Layer.build(E2BSandbox.layer(EmbeddedE2B.options)).pipe(
          Effect.scoped,
          Effect.provideService(E2BConfig, wrong),
          Effect.flip
        )
        assert.include(failure, { code: "PERMISSION_DENIED", phase: "create", retryable: false })
      })
    )

    it.effect("connections is a failure that is retried", () =>
      Effect.gen(function* () {
        const config = yield* E2BConfig
        const nobody = { ...config, apiUrl: yield* Unused.url }
        const failure = yield* Layer.build(E2BSandbox.layer(EmbeddedE2B.options)).pipe(
          Effect.scoped,
          Effect.provideService(E2BConfig, nobody),
          Effect.flip
        )
        assert.include(failure, { code: "ECONNREFUSED", phase: "create", retryable: true })
        assert.notInclude(failure.message, "127.0.0.1")
      })
    )
  })
})
