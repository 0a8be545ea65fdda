import { ExecutionId } from "@bulkhead/domain"
import { MockSandboxProvider } from "@bulkhead/testing"
import { assert, describe, it } from "@effect/vitest"
import { Context, Duration, Effect, Exit, Fiber, Layer, Scope, TestClock } from "effect"
import { Limits, type LimitValues } from "../src/Limits.js"
import { InstanceName } from "../src/Sandboxes/InstanceName.js"
import { LifeName } from "../src/Sandboxes/LifeName.js"
import { Sandbox, SandboxProvider } from "../src/Sandboxes/SandboxProvider.js"
import { SandboxSupply } from "../src/Sandboxes/SandboxSupply.js"
import { settle } from "./Fixture.js"

const { failure, MockSandboxes } = MockSandboxProvider
const minute = Duration.minutes(1)
const purpose = { executionId: ExecutionId.make("exec_1") }

/** One life of a service that uses the provider in context. */
const live = (limits: Partial<LimitValues> = {}, instance?: string, name?: string) =>
  Effect.map(
    Layer.build(
      SandboxSupply.layer.pipe(
        Layer.provide(Limits.layer(limits)),
        Layer.provide(Layer.succeed(InstanceName, instance)),
        Layer.provide(Layer.succeed(LifeName, name))
      )
    ),
    (context) => {
      const supply = Context.get(context, SandboxSupply)
      return {
        ...supply,
        acquire: Effect.map(Layer.build(supply.sandbox(purpose, { lifetime: minute })), Context.get(Sandbox))
      }
    }
  )

/** A sandbox of that much of a service that another process left behind. */
const leaveBehind = (metadata: Readonly<Record<string, string>>) =>
  Effect.gen(function* () {
    const { create } = yield* SandboxProvider
    yield* create({ metadata, lifetime: minute })
  })

const aliveIds = Effect.gen(function* () {
  const { list } = yield* SandboxProvider
  return (yield* Effect.orDie(list({}))).map(({ id }) => id)
})

/** The mock, which makes the next sandbox but loses the answer. */
const losesAnswers = Layer.effect(
  SandboxProvider,
  Effect.gen(function* () {
    const mock = yield* SandboxProvider
    let lost = false
    return {
      ...mock,
      create: (options) =>
        Effect.gen(function* () {
          const sandbox = yield* mock.create(options)
          if (lost) return sandbox
          lost = true
          return yield* failure("ETIMEDOUT", "create")
        })
    }
  })
).pipe(Layer.provideMerge(MockSandboxProvider.layer()))

describe("at its start", () => {
  it.scoped("it ends what an earlier life of its own left behind, and nothing else", () =>
    Effect.gen(function* () {
      yield* leaveBehind({ service: "bulkhead", instance: "blue", life: "earlier", ownership: "1" })
      yield* leaveBehind({ service: "bulkhead", instance: "blue", life: "earlier", purpose: "pool" })
      yield* leaveBehind({ service: "bulkhead", instance: "green", life: "earlier", ownership: "1" })
      yield* leaveBehind({ service: "another", instance: "blue" })
      yield* leaveBehind({})
      const { metrics } = yield* live({}, "blue")
      yield* settle
      assert.deepStrictEqual(yield* aliveIds, ["mock-3", "mock-4", "mock-5"])
      assert.strictEqual((yield* metrics).reapedSandboxes, 2)
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )

  it.scoped(
    "of a life beside it that is dead it ends all, and nothing of that one's next life or of its own",
    () =>
      Effect.gen(function* () {
        const dead = yield* live({}, "blue", "dead")
        yield* dead.acquire
        const next = yield* live({}, "green", "next")
        yield* next.acquire
        const own = yield* live({}, "red", "own")
        yield* own.acquire
        const buried = yield* Effect.fork(Effect.forEach(["dead", "own"], own.bury))
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* Fiber.join(buried), [true, false])
        assert.deepStrictEqual(yield* aliveIds, ["mock-2", "mock-3"])
      }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )

  it.scoped("without an instance name it ends nothing of any other life", () =>
    Effect.gen(function* () {
      const earlier = yield* Scope.make()
      yield* Effect.flatMap(live(), ({ acquire }) => acquire).pipe(Scope.extend(earlier))
      yield* leaveBehind({ service: "bulkhead" })
      const { metrics } = yield* live({ reaperInterval: 1 })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(yield* aliveIds, ["mock-1", "mock-2"])
      assert.strictEqual((yield* metrics).reapedSandboxes, 0)
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )
})

describe("what has an owner", () => {
  it.scoped("is left alone: in the making, in use, in the pool", () =>
    Effect.gen(function* () {
      const { acquire, metrics } = yield* live({ reaperInterval: 1, poolMin: 2, poolMax: 2 }, "blue")
      yield* settle
      yield* acquire
      yield* (yield* MockSandboxes).behave({ create: Effect.sleep("3 seconds") })
      const making = yield* Effect.fork(Effect.scoped(Effect.zipRight(acquire, Effect.never)))
      yield* Effect.replicateEffect(TestClock.adjust("1 seconds"), 10)
      assert.strictEqual((yield* metrics).reapedSandboxes, 0)
      assert.strictEqual((yield* aliveIds).length, 4)
      yield* Fiber.interrupt(making)
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )

  it.scoped("is tagged with its instance and its execution, and destroyed with its scope", () =>
    Effect.gen(function* () {
      const { acquire, metrics } = yield* live({}, "blue")
      yield* Effect.scoped(acquire)
      const [sandbox] = yield* (yield* MockSandboxes).created
      assert.deepInclude(sandbox?.options.metadata, { service: "bulkhead", instance: "blue", ...purpose })
      assert.isTrue(Duration.equals(sandbox?.options.lifetime ?? 0, minute))
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* aliveIds, [])
      assert.strictEqual((yield* metrics).reapedSandboxes, 0)
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )

  it.scoped("in the pool is given out before a new one is made", () =>
    Effect.gen(function* () {
      const { acquire, metrics } = yield* live({ poolMin: 1, poolMax: 1 })
      yield* settle
      assert.strictEqual((yield* acquire).id, "mock-1")
      assert.deepInclude((yield* metrics).pool, { hits: 1, misses: 0 })
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )
})

it.scoped("whoever watches is told of a sandbox's creation, and whether it is gone once it is closed", () =>
  Effect.gen(function* () {
    const told: Array<unknown> = []
    const { sandbox } = yield* live()
    const mock = yield* MockSandboxes
    const watched = sandbox(
      purpose,
      { lifetime: minute },
      {
        onCreated: (sandboxId) => Effect.sync(() => told.push(["created", sandboxId])),
        onClosed: (sandboxId, isGone) => Effect.sync(() => told.push(["closed", sandboxId, isGone]))
      }
    )
    const use = Effect.provide(
      Effect.flatMap(Sandbox, ({ id }) => Effect.sync(() => told.push(["used", id]))),
      watched
    )
    yield* use
    yield* mock.behave({ destroy: failure("ECONNRESET", "destroy") })
    yield* use
    yield* mock.behave({ destroy: Effect.void })
    assert.deepStrictEqual(told, [
      ["created", "mock-1"],
      ["used", "mock-1"],
      ["closed", "mock-1", true],
      ["created", "mock-2"],
      ["used", "mock-2"],
      ["closed", "mock-2", false]
    ])
  }).pipe(Effect.provide(MockSandboxProvider.layer()))
)

describe("what has no owner any more is ended soon", () => {
  it.scoped("after a create whose answer was lost", () =>
    Effect.gen(function* () {
      const { acquire, metrics } = yield* live()
      yield* settle
      const lost = yield* Effect.flip(Effect.scoped(acquire))
      assert.strictEqual(lost.code, "ETIMEDOUT")
      assert.strictEqual((yield* aliveIds).length, 1)
      yield* TestClock.adjust("1 seconds")
      yield* settle
      assert.deepStrictEqual(yield* aliveIds, [])
      assert.strictEqual((yield* metrics).reapedSandboxes, 1)
    }).pipe(Effect.provide(losesAnswers))
  )

  it.scoped("after it could not be destroyed", () =>
    Effect.gen(function* () {
      const mock = yield* MockSandboxes
      const { acquire } = yield* live()
      yield* settle
      yield* mock.behave({ destroy: failure("ECONNRESET", "destroy") })
      yield* Effect.scoped(acquire)
      assert.strictEqual((yield* aliveIds).length, 1)
      yield* mock.behave({ destroy: Effect.void })
      yield* TestClock.adjust("1 seconds")
      yield* settle
      assert.deepStrictEqual(yield* aliveIds, [])
    }).pipe(Effect.provide(MockSandboxProvider.layer()))
  )
})

it.scoped("a provider that is down is left alone, also by the reaper", () =>
  Effect.gen(function* () {
    const provider = yield* SandboxProvider
    let lists = 0
    const counting = {
      ...provider,
      list: (tags: Readonly<Record<string, string>>) =>
        Effect.suspend(() => {
          lists++
          return provider.list(tags)
        })
    }
    const { acquire, metrics } = yield* live({ breakerFailures: 2, breakerCooldown: 30 }).pipe(
      Effect.provideService(SandboxProvider, counting)
    )
    yield* settle
    const asking = Effect.flip(Effect.scoped(acquire))
    for (let failures = 0; failures < 2; failures++) assert.strictEqual((yield* asking).code, "ECONNREFUSED")
    yield* TestClock.adjust("5 seconds")
    const listsBefore = lists
    for (let second = 0; second < 5; second++) {
      assert.strictEqual((yield* asking).code, "SANDBOX_BUSY")
      yield* TestClock.adjust("1 seconds")
    }
    assert.strictEqual((yield* metrics).circuit, "open")
    assert.strictEqual(lists, listsBefore)
  }).pipe(Effect.provide(MockSandboxProvider.layer({ create: failure("ECONNREFUSED", "create") })))
)

it.scoped("what a provider says of itself is handed on", () =>
  Effect.gen(function* () {
    const provider = yield* SandboxProvider
    const health = { state: "recovering", reason: "it is being started again", restarts: 3 } as const
    const supply = yield* Effect.provideService(live(), SandboxProvider, {
      ...provider,
      health: Effect.succeed(health)
    })
    assert.deepStrictEqual(yield* supply.health, health)
    assert.deepInclude(yield* supply.metrics, { circuit: "closed", launcherRestarts: 3 })
    assert.deepInclude(yield* (yield* live()).metrics, { launcherRestarts: 0 })
  }).pipe(Effect.provide(MockSandboxProvider.layer()))
)

it.scoped("sandboxes are asked for no faster than the limits say", () =>
  Effect.gen(function* () {
    const { acquire } = yield* live({ maxCreatesPerSecond: 4 })
    const mock = yield* MockSandboxes
    const scope = yield* Scope.make()
    yield* Effect.replicateEffect(Effect.fork(Scope.extend(acquire, scope)), 9)
    for (const [millis, made] of [
      [0, 1],
      [249, 1],
      [1, 2],
      [750, 5],
      [1000, 9]
    ] as const) {
      yield* TestClock.adjust(millis)
      assert.strictEqual((yield* mock.created).length, made)
    }
    yield* Scope.close(scope, Exit.void)
  }).pipe(Effect.provide(MockSandboxProvider.layer()))
)
