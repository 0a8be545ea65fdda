import { E2BConfig, E2BSandbox } from "@bulkhead/e2b"
import { CommandEvent, Sandbox, type SandboxCommand } from "@bulkhead/sandbox"
import { assert, describe, layer } from "@effect/vitest"
import { Sandbox as SdkSandbox } from "e2b"
import { Context, Deferred, Duration, Effect, Fiber, Layer, Mailbox, Option, Redacted, Stream } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"
import * as Transcript from "./Transcript.js"
import * as Unused from "./Unused.js"

const sandbox = Effect.map(Layer.build(E2BSandbox.layer(EmbeddedE2B.options)), Context.get(Sandbox))

const command = (line: string, more: Partial<SandboxCommand> = {}): SandboxCommand => ({
  line,
  env: {},
  lifetime: Duration.seconds(30),
  ...more
})

const runLine = (line: string, more: Partial<SandboxCommand> = {}) =>
  Effect.flatMap(sandbox, ({ run }) => Transcript.of(run(command(line, more))))

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
        const lines = Array.from({ length: 200_000 }, (_, index) => `${index + 1}\n`)
        assert.isTrue(stdout === lines.join(""), "it is not what was written")
      })
    )

    it.scoped("tells when the command has started, and its output as it comes", () =>
      Effect.gen(function* () {
        const { run, signal } = yield* sandbox
        const events = yield* Mailbox.fromStream(run(command("echo ready; exec sleep 60")))
        const started = yield* events.take
        assert(started._tag === "Started")
        assert.isAbove(started.pid, 1)
        assert.deepStrictEqual(yield* events.take, CommandEvent.Output({ stream: "stdout", text: "ready\n" }))
        yield* signal("SIGTERM")
        assert.deepStrictEqual(yield* events.take, CommandEvent.Ended({ exit: { signal: "SIGTERM" } }))
        assert.strictEqual((yield* Effect.flip(events.take))._tag, "NoSuchElementException")
      })
    )

    it.scoped("goes on when nobody follows it any more", () =>
      Effect.gen(function* () {
        const { run } = yield* sandbox
        const writing = run(command("until [ -e asked ]; do sleep 0.02; done; echo done > answer"))
        assert.strictEqual((yield* Stream.runHead(writing)).pipe(Option.getOrThrow)._tag, "Started")
        const asking = run(command("touch asked; until [ -s answer ]; do sleep 0.02; done; cat answer"))
        assert.strictEqual((yield* Transcript.of(asking)).stdout, "done\n")
      })
    )

    it.scoped("gives a failure of the run when the sandbox is gone under it", () =>
      Effect.gen(function* () {
        const { run, destroy } = yield* sandbox
        const events = yield* Mailbox.fromStream(run(command("sleep 60")))
        assert.strictEqual((yield* events.take)._tag, "Started")
        yield* destroy
        const failure = yield* Effect.flip(events.take)
        assert(failure._tag === "SandboxFailure")
        assert.include(failure, { phase: "run", code: "ECONNRESET", retryable: true })
        assert.isTrue(failure.mayHaveRun)
      })
    )

    it.scoped("in a sandbox that is gone fails before anything runs", () =>
      Effect.gen(function* () {
        const { run, destroy } = yield* sandbox
        yield* destroy
        const failure = yield* Effect.flip(Stream.runDrain(run(command("true"))))
        assert.include(failure, { phase: "start" })
        assert.isFalse(failure.mayHaveRun)
      })
    )
  })

  describe("signal", () => {
    it.scoped("reaches every process of the user, in whatever session", () =>
      Effect.gen(function* () {
        const { run, signal } = yield* sandbox
        const line = "setsid sleep 61 & (setsid sleep 62 &) & echo ready; exec sleep 63"
        const events = yield* Mailbox.fromStream(run(command(line)))
        assert.deepStrictEqual([(yield* events.take)._tag, (yield* events.take)._tag], ["Started", "Output"])
        yield* signal("SIGKILL")
        assert.deepStrictEqual(yield* events.take, CommandEvent.Ended({ exit: { signal: "SIGKILL" } }))
        const look = run(command("while pgrep -f 'sleep 6[123]'; do :; done; echo gone"))
        assert.match((yield* Transcript.of(look)).stdout, /gone\n$/)
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
        const look = command("cat main.py; wc -c < data/deep/blob.bin; wc -c < empty; stat -c %U main.py")
        const { stdout } = yield* Transcript.of(run(look))
        assert.strictEqual(stdout, "print(1)70000\n0\nuser\n")
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
