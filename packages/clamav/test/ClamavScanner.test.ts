import { randomUUID } from "node:crypto"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { ArtifactScanner, type ScanVerdict } from "@bulkhead/artifacts"
import { ClamavScanner, parseAddress } from "@bulkhead/clamav"
import { ArtifactScannerConformance } from "@bulkhead/testing/conformance"
import { assert, describe, it } from "@effect/vitest"
import {
  ConfigProvider,
  Context,
  Deferred,
  type Duration,
  Effect,
  Either,
  Exit,
  Fiber,
  Layer,
  Ref,
  Schedule,
  Stream
} from "effect"
import * as FakeClamd from "./FakeClamd.js"

type Answer = Parameters<typeof FakeClamd.listen>[1]

const scan = Effect.fnUntraced(function* <E>(
  answer: Answer,
  content: Stream.Stream<Uint8Array, E>,
  timeout: Duration.DurationInput = "10 seconds"
) {
  const path = join(tmpdir(), `clamd-${randomUUID()}.sock`)
  yield* FakeClamd.listen({ path }, answer)
  return yield* Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(content)).pipe(
    Effect.provide(ClamavScanner.layer({ address: { path }, timeout }))
  )
})

const say =
  (reply: string): Answer =>
  (socket, { ended }) => {
    if (ended) socket.end(`${reply}\0`)
  }

const bytes = (...texts: ReadonlyArray<string>) =>
  Stream.fromIterable(texts.map((text) => new TextEncoder().encode(text)))

const messageOf = (exit: Exit.Exit<ScanVerdict, unknown>) =>
  Exit.match(exit, { onSuccess: () => "no failure", onFailure: (cause) => String(cause) })

const zeros = (pieces: number) => Stream.map(Stream.range(1, pieces), () => new Uint8Array(65_536))

describe("the protocol", () => {
  it.scopedLive("sends a file in frames, without empty ones, and takes OK for clean", () =>
    Effect.gen(function* () {
      let heard = ""
      const verdict = yield* scan(
        (socket, { bytes, ended }) => {
          heard = bytes.toString()
          if (ended) socket.end("stream: OK\0")
        },
        bytes("one ", "", "two")
      )
      assert.deepStrictEqual(verdict, { _tag: "Clean" })
      assert.strictEqual(heard, "one two")
    })
  )

  it.scopedLive("sends an empty file", () =>
    Effect.map(scan(say("stream: OK"), Stream.empty), (verdict) =>
      assert.deepStrictEqual(verdict, { _tag: "Clean" })
    )
  )

  it.scopedLive("names what was found", () =>
    Effect.map(scan(say("stream: Win.Test.EICAR_HDB-1 FOUND"), bytes("x")), (verdict) =>
      assert.deepStrictEqual(verdict, { _tag: "Infected", name: "Win.Test.EICAR_HDB-1" })
    )
  )

  it.scopedLive("understands an answer in pieces", () =>
    Effect.map(
      scan((socket, { ended }) => {
        if (!ended) return
        socket.write("stream: O")
        setImmediate(() => socket.end("K\0"))
      }, bytes("x")),
      (verdict) => assert.deepStrictEqual(verdict, { _tag: "Clean" })
    )
  )

  it.scopedLive("scans over TCP", () =>
    Effect.gen(function* () {
      const { server } = yield* FakeClamd.listen({ host: "127.0.0.1", port: 0 }, say("stream: OK"))
      const { port } = server.address() as { port: number }
      const verdict = yield* Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(bytes("x"))).pipe(
        Effect.provide(ClamavScanner.layer({ address: { host: "127.0.0.1", port } }))
      )
      assert.deepStrictEqual(verdict, { _tag: "Clean" })
    })
  )
})

/** A clamd that knows one file. */
const fake = Layer.unwrapScoped(
  Effect.map(
    FakeClamd.listen({ host: "127.0.0.1", port: 0 }, (socket, { bytes, ended }) => {
      const isInfected = bytes.includes(ArtifactScannerConformance.eicar)
      if (ended) socket.end(`stream: ${isInfected ? "Test.EICAR FOUND" : "OK"}\0`)
    }),
    ({ server }) => {
      const { port } = server.address() as { port: number }
      return ClamavScanner.layer({ address: { host: "127.0.0.1", port } })
    }
  )
)

ArtifactScannerConformance.suite("ClamavScanner on a fake clamd", fake)

describe("whatever goes wrong is a failure", () => {
  const rows: ReadonlyArray<readonly [string, Answer, string]> = [
    ["an error", say("stream: Can't allocate memory ERROR"), "clamd answered"],
    ["nonsense", say("all is well"), "clamd answered"],
    ["OK of something else", say("file: OK"), "clamd answered"],
    ["an early close", (socket) => socket.destroy(), "went away without an answer"],
    [
      "a close in the middle of the answer",
      (socket, { ended }) => ended && socket.end("stream: OK"),
      "went away"
    ],
    ["an answer without end", (socket) => socket.write("x".repeat(8192)), "too long"]
  ]
  for (const [name, answer, message] of rows) {
    it.scopedLive(name, () =>
      Effect.map(Effect.exit(scan(answer, bytes("x"))), (exit) => assert.include(messageOf(exit), message))
    )
  }

  it.scopedLive("a stream that is too long for clamd, which says so before the end", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(
        scan(
          (socket, { bytes }) => {
            if (bytes.length > 200_000 && socket.writable) socket.end("INSTREAM size limit exceeded. ERROR\0")
          },
          Stream.concat(zeros(8), Stream.never)
        )
      )
      assert.include(messageOf(exit), "INSTREAM size limit exceeded")
    })
  )

  it.scopedLive("silence", () =>
    Effect.map(Effect.exit(scan(() => {}, bytes("x"), "200 millis")), (exit) =>
      assert.include(messageOf(exit), "did not answer in time")
    )
  )

  it.scopedLive("nobody reading", () =>
    Effect.map(Effect.exit(scan((socket) => socket.pause(), zeros(400), "500 millis")), (exit) =>
      assert.include(messageOf(exit), "did not answer in time")
    )
  )

  it.scopedLive("nobody there", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(bytes("x"))).pipe(
        Effect.provide(ClamavScanner.layer({ address: { path: join(tmpdir(), randomUUID()) } })),
        Effect.exit
      )
      assert.include(messageOf(exit), "cannot be reached")
    })
  )

  it.scopedLive("a file that fails while it is read, with its own error", () =>
    Effect.map(Effect.exit(scan(() => {}, Stream.concat(bytes("x"), Stream.fail("gone")))), (exit) =>
      assert.deepStrictEqual(exit, Exit.fail("gone"))
    )
  )
})

it.scopedLive("lets go of the connection when it is interrupted", () =>
  Effect.gen(function* () {
    const begun = yield* Deferred.make<void>()
    const closed = yield* Deferred.make<void>()
    const answer: Answer = (socket) => {
      socket.once("close", () => Deferred.unsafeDone(closed, Exit.void))
      Deferred.unsafeDone(begun, Exit.void)
    }
    const fiber = yield* Effect.fork(scan(answer, Stream.concat(bytes("x"), Stream.never)))
    yield* Deferred.await(begun)
    yield* Fiber.interrupt(fiber)
    yield* Deferred.await(closed)
  })
)

describe("a clamd that is killed", () => {
  const lives = 20
  /** What it does when it has heard a file: as it should, nothing, or nonsense. */
  const manners: ReadonlyArray<Answer> = [say("stream: OK"), say("stream: OK"), () => {}, say("all is well")]

  it.scopedLive(
    "leaves no scan without an end, under load, and is used as soon as it is back",
    () =>
      Effect.gen(function* () {
        const path = join(tmpdir(), `clamd-${randomUUID()}.sock`)
        const scanner = Effect.map(
          Layer.build(ClamavScanner.layer({ address: { path }, timeout: "500 millis" })),
          Context.get(ArtifactScanner)
        )
        const { scan } = yield* scanner
        const counts = yield* Ref.make({ begun: 0, clean: 0, failed: 0 })
        const count = (name: "begun" | "clean" | "failed") =>
          Ref.update(counts, (before) => ({ ...before, [name]: before[name] + 1 }))
        const once = Effect.zipRight(count("begun"), scan(zeros(4))).pipe(
          Effect.tap(count("clean")),
          Effect.tapErrorTag("ScanFailure", () => count("failed"))
        )
        const stop = yield* Deferred.make<void>()
        const load = yield* Effect.fork(
          Effect.replicateEffect(
            Effect.repeat(Effect.exit(once), {
              until: () => Deferred.isDone(stop),
              schedule: Schedule.spaced("2 millis")
            }),
            8,
            { concurrency: "unbounded", discard: true }
          )
        )
        for (let life = 0; life < lives; life++) {
          const answer = manners[life % manners.length] ?? say("stream: OK")
          const { clean, failed } = yield* Ref.get(counts)
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* FakeClamd.listen({ path }, answer)
              const isServed = Effect.map(Ref.get(counts), (now) =>
                answer === manners[0] || answer === manners[1] ? now.clean > clean : now.failed > failed
              )
              yield* Effect.repeat(isServed, {
                until: (is) => is,
                schedule: Schedule.spaced("2 millis")
              }).pipe(
                Effect.timeoutFail({ duration: "2 seconds", onTimeout: () => `not back in life ${life}` })
              )
            })
          )
          const gone = yield* Effect.exit(scan(zeros(1)))
          assert.include(messageOf(gone), "cannot be reached")
        }
        yield* Deferred.succeed(stop, undefined)
        yield* Effect.timeout(Fiber.join(load), "5 seconds")
        const { begun, clean, failed } = yield* Ref.get(counts)
        assert.strictEqual(clean + failed, begun)
        assert.isAtLeast(clean, 10)
        assert.isAtLeast(failed, 10)
      }),
    60_000
  )
})

describe("settings", () => {
  it("reads addresses", () => {
    assert.deepStrictEqual(
      parseAddress("unix:/run/clamav/clamd.ctl"),
      Either.right({ path: "/run/clamav/clamd.ctl" })
    )
    assert.deepStrictEqual(parseAddress("tcp:clam:3310"), Either.right({ host: "clam", port: 3310 }))
    assert.deepStrictEqual(parseAddress("tcp:[::1]:3310"), Either.right({ host: "::1", port: 3310 }))
    for (const wrong of [
      "",
      "unix:",
      "unix:relative",
      "tcp:host",
      "tcp:host:0",
      "tcp:host:65536",
      "/run/x",
      "tcp:a b:1"
    ])
      assert.isTrue(Either.isLeft(parseAddress(wrong)), wrong)
  })

  const scanned = Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(bytes("x")))
  const withAddress = (address: string) =>
    Effect.withConfigProvider(ConfigProvider.fromMap(new Map([["CLAMAV_ADDRESS", address]])))

  it.effect("scans nothing unless told", () =>
    Effect.map(
      scanned.pipe(
        Effect.provide(ClamavScanner.layerFromEnv),
        Effect.withConfigProvider(ConfigProvider.fromMap(new Map()))
      ),
      (verdict) => assert.deepStrictEqual(verdict, { _tag: "Clean" })
    )
  )

  it.effect("scans nothing when told nothing", () =>
    Effect.map(scanned.pipe(Effect.provide(ClamavScanner.layerFromEnv), withAddress(" ")), (verdict) =>
      assert.deepStrictEqual(verdict, { _tag: "Clean" })
    )
  )

  it.live("fails when told and nobody is there", () =>
    Effect.map(
      Effect.exit(
        scanned.pipe(
          Effect.provide(ClamavScanner.layerFromEnv),
          withAddress(`unix:${join(tmpdir(), randomUUID())}`)
        )
      ),
      (exit) => assert.include(messageOf(exit), "cannot be reached")
    )
  )

  it.effect("refuses an address that it cannot read", () =>
    Effect.map(
      Effect.exit(scanned.pipe(Effect.provide(ClamavScanner.layerFromEnv), withAddress("nowhere"))),
      (exit) => assert.include(messageOf(exit), "expected unix:/path/of/a/socket or tcp:host:port")
    )
  )
})
