import { randomUUID } from "node:crypto"
import { existsSync, readdirSync, readFileSync } from "node:fs"
import { E2BConfig, E2BSandbox } from "@bulkhead/e2b"
import { EmbeddedHost } from "@bulkhead/host"
import { SandboxProvider, SandboxService } from "@bulkhead/sandbox"
import { assert, describe, it } from "@effect/vitest"
import { type Context, Duration, Effect, Fiber, Layer, Schedule } from "effect"
import * as EmbeddedE2B from "./EmbeddedE2B.js"

/** Which of the service's own walls stand, and how long the provider lets a sandbox live. */
interface Walls {
  readonly service: boolean
  readonly lifetime?: Duration.DurationInput
}

/** Sandboxes that the service cannot signal or destroy when its wall is down. They end with the host at the latest. */
const provider = ({ lifetime, service }: Walls) =>
  Layer.effect(
    SandboxProvider,
    Effect.gen(function* () {
      const config = yield* E2BConfig
      const create: Context.Tag.Service<SandboxProvider>["create"] = (options) => {
        const given = lifetime === undefined ? options : { ...options, lifetime: Duration.decode(lifetime) }
        const real = Effect.provideService(E2BSandbox.create(given), E2BConfig, config)
        return service
          ? real
          : Effect.map(real, (sandbox) => ({
              ...sandbox,
              signal: () => Effect.void,
              destroy: Effect.void
            }))
      }
      return { name: "walls", create, list: () => Effect.succeed([]), kill: () => Effect.void }
    })
  )

const layer = (walls: Walls) =>
  SandboxService.layer({ killGracePeriod: 1 }).pipe(
    Layer.provideMerge(provider(walls)),
    Layer.provideMerge(EmbeddedE2B.layer)
  )

const environment = (pid: string) => {
  try {
    return readFileSync(`/proc/${pid}/environ`, "latin1")
  } catch {
    return ""
  }
}

/** What carries the mark: the program first, then its children. The supervisor is told it too, and forgets its environment. */
const marked = (mark: string) =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environment(name).includes(mark))
    .map(Number)
    .toSorted((a, b) => a - b)

const parentOf = (pid: number) =>
  Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1])

const until = (holds: () => boolean) =>
  Effect.suspend(() => (holds() ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.retry(Schedule.spaced("20 millis")),
    Effect.timeout("25 seconds"),
    Effect.orDie
  )

// The supervisor may hold a line for 5 ms, to send it with others: the last of the processes comes when it no longer does.
const stubborn = "trap '' TERM\necho begun\nsleep 0.1\n(setsid sleep 600 &)\nwhile :; do sleep 600; done"

/** Starts a program that no SIGTERM ends, with a daemon beside it. */
const start = Effect.gen(function* () {
  const { execute } = yield* SandboxService
  const mark = randomUUID()
  const fiber = yield* Effect.fork(
    execute({ code: stubborn, language: "bash", timeout: 2, env: { MARK: mark } })
  )
  yield* until(() => marked(mark).length >= 3)
  const [program = 0] = marked(mark)
  const supervisor = parentOf(program)
  const gone = until(() => marked(mark).length === 0).pipe(
    Effect.timed,
    Effect.map(([took]) => Duration.toSeconds(took))
  )
  return { agent: parentOf(supervisor), fiber, gone, mark, supervisor }
})

const living = Effect.flatMap(EmbeddedHost, ({ sandboxes }) => sandboxes)

// They mostly wait, each on a host of its own.
describe.concurrent("a program that will not end", () => {
  it.scopedLive(
    "is ended by the supervisor alone, with the service gone and the sandbox alive",
    () =>
      Effect.gen(function* () {
        const { agent, fiber, mark } = yield* start
        yield* Fiber.interruptFork(fiber)
        const [took] = yield* Effect.timed(until(() => marked(mark).length === 0))
        assert.closeTo(Duration.toSeconds(took), 3, 1.5)
        assert.isTrue(existsSync(`/proc/${agent}`), "the sandbox lives on")
      }).pipe(Effect.provide(layer({ service: false }))),
    30_000
  )

  it.scopedLive(
    "is ended by the service alone, with the supervisor stopped",
    () =>
      Effect.gen(function* () {
        const { fiber, mark, supervisor } = yield* start
        process.kill(supervisor, "SIGSTOP")
        const [took, result] = yield* Effect.timed(Fiber.join(fiber))
        assert.deepInclude(result, { verdict: "TimeLimitExceeded", success: false, stdout: "begun\n" })
        assert.deepInclude(result.receipt, { survivors: "unknown", sandboxDestroyed: true })
        assert.deepStrictEqual(marked(mark), [])
        assert.isBelow(Duration.toSeconds(took), 2 + 1 + 3 + 2 + 2)
        assert.strictEqual(yield* living, 0)
      }).pipe(Effect.provide(layer({ service: true }))),
    30_000
  )

  it.scopedLive(
    "is ended by the sandbox's lifetime alone, with the supervisor stopped and the service gone",
    () =>
      Effect.gen(function* () {
        const [began, { fiber, gone, supervisor }] = yield* Effect.timed(start)
        process.kill(supervisor, "SIGSTOP")
        yield* Fiber.interruptFork(fiber)
        const took = yield* gone
        assert.isAtLeast(Duration.toSeconds(began) + took, 6)
        assert.isBelow(took, 6 + 2.5)
        assert.strictEqual(yield* living, 0)
      }).pipe(Effect.provide(layer({ service: false, lifetime: "6 seconds" }))),
    30_000
  )
})
