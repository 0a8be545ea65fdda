import { ArtifactScanner } from "@bulkhead/artifacts"
import { assert } from "@effect/vitest"
import { Deferred, Effect, Exit, Fiber, type Layer, Ref, Stream } from "effect"
import * as Case from "./Case.js"

/** A harmless file that scanners know. In two parts, so that no scanner takes this one for it. */
export const eicar = ["X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-STANDARD-", "ANTIVIRUS-TEST-FILE!$H+H*"].join("")

export interface ArtifactScannerOptions extends Case.SuiteOptions {
  /** A text that it finds something in. Default the EICAR test file. */
  readonly infected?: string
}

const bytes = (text: string) => new TextEncoder().encode(text)

const scan = <E, R>(content: Stream.Stream<Uint8Array, E, R>) =>
  Effect.flatMap(ArtifactScanner, (scanner) => scanner.scan(content))

const clean = { _tag: "Clean" } as const

const { promises } = Case

/** What every `ArtifactScanner` does. */
export const cases = ({
  infected = eicar
}: ArtifactScannerOptions = {}): ReadonlyArray<Case.Case<ArtifactScanner>> => [
  promises(
    "takes for clean what is clean, of whatever size",
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* scan(Stream.make(bytes("hello"))), clean)
      assert.deepStrictEqual(yield* scan(Stream.empty), clean)
      const megabytes = Stream.map(Stream.range(1, 8), () => new Uint8Array(1_048_576))
      assert.deepStrictEqual(yield* scan(megabytes), clean)
    })
  ),
  promises(
    "names what it finds",
    Effect.gen(function* () {
      const verdict = yield* scan(Stream.make(bytes(infected)))
      assert(verdict._tag === "Infected")
      assert.isNotEmpty(verdict.name)
    })
  ),
  promises(
    "finds it however the file comes in pieces",
    Effect.gen(function* () {
      const pieces = [...infected].map(bytes)
      assert.strictEqual((yield* scan(Stream.fromIterable(pieces)))._tag, "Infected")
    })
  ),
  promises(
    "does not pass a file that failed while it was read",
    Effect.gen(function* () {
      const broken = Stream.concat(Stream.make(bytes("hello")), Stream.fail("broken" as const))
      assert.deepStrictEqual(yield* Effect.exit(scan(broken)), Exit.fail("broken" as const))
    })
  ),
  promises(
    "scans many files at once, each by itself",
    Effect.gen(function* () {
      const texts = Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? infected : `clean ${index}`))
      const verdicts = yield* Effect.forEach(texts, (text) => scan(Stream.make(bytes(text))), {
        concurrency: 10
      })
      assert.deepStrictEqual(
        verdicts.map(({ _tag }) => _tag),
        texts.map((text) => (text === infected ? "Infected" : "Clean"))
      )
    })
  ),
  promises(
    "lets go of a file that it is interrupted in",
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const isLetGo = yield* Ref.make(false)
      const endless = Stream.fromEffect(Deferred.succeed(begun, undefined)).pipe(
        Stream.as(bytes("hello")),
        Stream.concat(Stream.never),
        Stream.ensuring(Ref.set(isLetGo, true))
      )
      const scanning = yield* Effect.fork(scan(endless))
      yield* Effect.raceFirst(Deferred.await(begun), Fiber.await(scanning))
      yield* Fiber.interrupt(scanning)
      assert.strictEqual(yield* Ref.get(isLetGo), yield* Deferred.isDone(begun))
    })
  )
]

/** Registers a test for each promise of an `ArtifactScanner`, built once for all of them. */
export const suite = <E>(
  title: string,
  layer: Layer.Layer<ArtifactScanner, E>,
  options: ArtifactScannerOptions = {}
): void => Case.registerTogether(title, cases(options), layer, options)
