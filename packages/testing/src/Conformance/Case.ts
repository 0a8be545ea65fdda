import { describe, it, layer as together } from "@effect/vitest"
import { Effect, type Layer, type Scope } from "effect"

/** One promise of a port, and a check that fails where it is broken. Runs on a real clock. */
export interface Case<R> {
  readonly promise: string
  readonly check: Effect.Effect<void, unknown, R | Scope.Scope>
}

export const promises = <E, R>(
  promise: string,
  check: Effect.Effect<void, E, R>
): Case<Exclude<R, Scope.Scope>> => ({
  promise,
  check: check as Effect.Effect<void, E, Exclude<R, Scope.Scope> | Scope.Scope>
})

export interface SuiteOptions {
  /** How long each check may take, in milliseconds. Default 30000. */
  readonly timeout?: number
}

const usualTimeout = 30_000

/** Registers a test for each case. Each has a layer of its own, as it is when nothing has been done with it. */
export const register = <R, E>(
  title: string,
  cases: ReadonlyArray<Case<R>>,
  layer: Layer.Layer<R, E>,
  { timeout = usualTimeout }: SuiteOptions = {}
): void => {
  describe(title, () => {
    for (const { check, promise } of cases)
      it.live(promise, () => Effect.provide(Effect.scoped(check), layer), { timeout })
  })
}

/** The same with one layer for all of them, which is built once. */
export const registerTogether = <R, E>(
  title: string,
  cases: ReadonlyArray<Case<R>>,
  layer: Layer.Layer<R, E>,
  { timeout = usualTimeout }: SuiteOptions = {}
): void =>
  together(layer, { timeout, excludeTestServices: true })(title, (it) => {
    for (const { check, promise } of cases) it.scoped(promise, () => check, { timeout })
  })

/** The promises that are not kept, without a test runner: for trying a suite on what is known to be broken. */
export const broken = <R, E>(
  cases: ReadonlyArray<Case<R>>,
  layer: Layer.Layer<R, E>,
  { timeout = usualTimeout }: SuiteOptions = {}
): Effect.Effect<ReadonlyArray<string>> =>
  Effect.filter(
    cases,
    ({ check }) =>
      check.pipe(
        Effect.scoped,
        Effect.provide(layer),
        Effect.disconnect,
        Effect.timeout(timeout),
        Effect.exit,
        Effect.map(({ _tag }) => _tag === "Failure")
      ),
    { concurrency: "unbounded" }
  ).pipe(Effect.map((failed) => failed.map(({ promise }) => promise)))
