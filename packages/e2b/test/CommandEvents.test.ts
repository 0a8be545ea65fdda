import { E2BSandboxProvider } from "@bulkhead/e2b"
import { CommandEvent, Sandbox, type SandboxCommand, SandboxProvider } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import {
  Chunk,
  Context,
  Deferred,
  Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Redacted,
  Stream
} from "effect"
import * as Misbehaving from "./Misbehaving.js"

const command: SandboxCommand = { line: "true", env: {}, lifetime: Duration.seconds(60) }

/** A sandbox of a server that answers so, and that waits for longer than a test may take. */
const sandboxThat = Effect.fnUntraced(function* (
  answers: Partial<Record<Misbehaving.Route, Misbehaving.Answer>>
) {
  const { url } = yield* Misbehaving.make(answers)
  const provider = yield* Layer.build(
    E2BSandboxProvider.layer({
      apiKey: Redacted.make("e2b_test"),
      apiUrl: url,
      sandboxUrl: url,
      requestTimeout: "5 minutes"
    })
  )
  return yield* Sandbox.scoped(
    Context.get(provider, SandboxProvider).create({ metadata: {}, lifetime: Duration.seconds(60) })
  )
})

const { finish, message, started, stream } = Misbehaving
const wrote = (name: "stdout" | "stderr", text: string) =>
  message({ event: { data: { [name]: Buffer.from(text).toString("base64") } } })
const exited = message({ event: { end: { exitCode: 3, exited: true, status: "exit status 3" } } })
const said = [started, wrote("stdout", "a"), wrote("stderr", "b"), wrote("stdout", "c"), wrote("stdout", "d")]
const heard = [
  CommandEvent.Started({ pid: 7 }),
  CommandEvent.Output({ stream: "stdout", text: "a" }),
  CommandEvent.Output({ stream: "stderr", text: "b" }),
  CommandEvent.Output({ stream: "stdout", text: "c" }),
  CommandEvent.Output({ stream: "stdout", text: "d" })
]
const whole = [...heard, CommandEvent.Ended({ exit: { exitCode: 3 } })]

/** An answer of which is known when it was asked for, and when its connection was over. */
const watched = Effect.fnUntraced(function* (answer: Misbehaving.Answer) {
  const asked = yield* Deferred.make<void>()
  const over = yield* Deferred.make<void>()
  const watching: Misbehaving.Answer = (response, request) => {
    response.on("close", () => Deferred.unsafeDone(over, Exit.void))
    answer(response, request)
    Deferred.unsafeDone(asked, Exit.void)
  }
  return { answer: watching, asked: Deferred.await(asked), over: Deferred.await(over) }
})

describe("a command's events", () => {
  it.scopedLive("come in the order in which they are told, its end as the last", () =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxThat({ start: stream([...said, exited, finish()]) })
      assert.deepStrictEqual(
        Chunk.toReadonlyArray(yield* Stream.runCollect(Sandbox.events(sandbox, command))),
        whole
      )
    })
  )

  it.scopedLive("wait for a follower who is slower than the command", () =>
    Effect.gen(function* () {
      const { answer, over } = yield* watched(stream([...said, exited, finish()]))
      const sandbox = yield* sandboxThat({ start: answer })
      const events = Sandbox.events(sandbox, command).pipe(
        Stream.tap(({ _tag }) => (_tag === "Started" ? over : Effect.void))
      )
      assert.deepStrictEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(events)), whole)
    })
  )

  it.scopedLive("come before the failure that cuts them off", () =>
    Effect.gen(function* () {
      const sandbox = yield* sandboxThat({ start: stream(said, "close") })
      const events = Chunk.toReadonlyArray(
        yield* Stream.runCollect(Stream.either(Sandbox.events(sandbox, command)))
      )
      assert.deepStrictEqual(events.slice(0, -1), heard.map(Either.right))
      const failure = yield* Effect.flip(events.at(-1) ?? Effect.void)
      assert.include(failure, { phase: "run", code: "ECONNRESET" })
    })
  )
})

describe("a request that nobody waits for any more is ended at once", () => {
  it.scopedLive("whoever has seen enough of a command", () =>
    Effect.gen(function* () {
      const { answer, over } = yield* watched(stream(said, "hang"))
      const sandbox = yield* sandboxThat({ start: answer })
      const events = yield* Stream.runCollect(Stream.take(Sandbox.events(sandbox, command), 2))
      assert.deepStrictEqual(Chunk.toReadonlyArray(events), heard.slice(0, 2))
      yield* over
    })
  )

  it.scopedLive("whoever is interrupted while they follow a command", () =>
    Effect.gen(function* () {
      const { answer, over } = yield* watched(stream(said, "hang"))
      const sandbox = yield* sandboxThat({ start: answer })
      const following = yield* Deferred.make<void>()
      const fiber = yield* Effect.fork(
        Stream.runForEach(Sandbox.events(sandbox, command), () => Deferred.succeed(following, undefined))
      )
      yield* Deferred.await(following)
      yield* Fiber.interrupt(fiber)
      yield* over
    })
  )

  it.scopedLive("whoever is interrupted before the command has started", () =>
    Effect.gen(function* () {
      const { answer, asked, over } = yield* watched(Misbehaving.hang)
      const sandbox = yield* sandboxThat({ start: answer })
      const fiber = yield* Effect.fork(Stream.runDrain(Sandbox.events(sandbox, command)))
      yield* asked
      yield* Fiber.interrupt(fiber)
      yield* over
    })
  )

  it.scopedLive("whoever is interrupted while they send a signal", () =>
    Effect.gen(function* () {
      const { answer, asked, over } = yield* watched(Misbehaving.hang)
      const { signal } = yield* sandboxThat({ start: answer })
      const fiber = yield* Effect.fork(signal("SIGTERM"))
      yield* asked
      yield* Fiber.interrupt(fiber)
      yield* over
    })
  )

  it.scopedLive("whoever is interrupted while they write files", () =>
    Effect.gen(function* () {
      const { answer, asked, over } = yield* watched(Misbehaving.hang)
      const { write } = yield* sandboxThat({ files: answer })
      const fiber = yield* Effect.fork(write([{ path: "a", content: new Uint8Array(1) }]))
      yield* asked
      yield* Fiber.interrupt(fiber)
      yield* over
    })
  )
})

const killed = message({
  event: { end: { exitCode: -1, exited: false, status: "signal: killed", error: "signal: killed" } }
})
const done = message({ event: { end: { exitCode: 0, exited: true, status: "exit status 0" } } })

/** What the shells that are to send a signal come to, one after the other; then the last again. */
const shells = (...ends: ReadonlyArray<Buffer>): Misbehaving.Answer => {
  let asked = 0
  return (response, request) => {
    const end = ends[Math.min(asked++, ends.length - 1)] ?? done
    stream([started, end, finish()])(response, request)
  }
}

describe("a signal", () => {
  it.scopedLive("is sent again when its shell was killed with the program", () =>
    Effect.gen(function* () {
      const { signal } = yield* sandboxThat({ start: shells(killed, done) })
      yield* signal("SIGTERM")
    })
  )

  it.scopedLive("counts as not sent when every shell is killed", () =>
    Effect.gen(function* () {
      const { signal } = yield* sandboxThat({ start: shells(killed) })
      assert.include(yield* Effect.flip(signal("SIGTERM")), { phase: "signal" })
    })
  )
})
