import { type AdmissionUnreachable, ExecutionId, type Refusal, ShuttingDown, UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Context,
  Deferred,
  Effect,
  Exit,
  FastCheck,
  Fiber,
  FiberId,
  Layer,
  Option,
  type Scheduler,
  TestClock
} from "effect"
import { Admission } from "../src/Admission/Admission.js"
import { defaultLimits, Limits, type LimitValues } from "../src/Limits.js"
import { settle } from "./Fixture.js"
import { yieldAt } from "./YieldAt.js"

type Ended = Exit.Exit<void, Refusal>

/** One execution that asked for a place. */
interface Guest {
  readonly userId: UserId
  readonly order: number
  readonly gate: Deferred.Deferred<void>
  readonly fiber: Fiber.RuntimeFiber<void, Refusal>
  /** What it was told that may go before, if it had to wait. */
  ahead: number | undefined
  state: "waits" | "inside" | "gone"
}

const limitsOf = (limits: Partial<LimitValues>) => ({
  ...defaultLimits,
  maxQueued: 10_000,
  maxQueuedPerUser: 10_000,
  ...limits
})

/** An admission with guests who stay inside until they are let go. */
const makeHouse = Effect.fnUntraced(function* (initial: Partial<LimitValues>) {
  const limits = limitsOf(initial)
  const context = yield* Layer.build(Admission.layer.pipe(Layer.provide(Limits.layer(limits))))
  const admission = Context.get(context, Admission)
  const guests: Array<Guest> = []
  const entered: Array<Omit<Guest, "fiber">> = []
  const inside = (user?: string) =>
    guests.filter(({ state, userId }) => state === "inside" && (user ?? userId) === userId).length
  // One that is interrupted before its first step never learns that it is gone.
  const waiting = () => guests.filter(({ fiber, state }) => state === "waits" && fiber.unsafePoll() === null)

  const arrive = Effect.fnUntraced(function* (user: string, scheduler?: Scheduler.Scheduler) {
    const userId = UserId.make(user)
    const gate = yield* Deferred.make<void>()
    const order = guests.length
    const person: Omit<Guest, "fiber"> = { userId, order, gate, ahead: undefined, state: "waits" }
    const visit = Effect.acquireUseRelease(
      Effect.sync(() => {
        person.state = "inside"
        entered.push(person)
      }),
      () => Deferred.await(gate),
      () =>
        Effect.sync(() => {
          person.state = "gone"
        })
    )
    const onWait = (ahead: number) =>
      Effect.sync(() => {
        person.ahead = ahead
      })
    const executionId = ExecutionId.make(`exec_${order}`)
    const fiber = yield* admission.withPermit({ executionId, userId }, onWait, visit).pipe(
      Effect.onExit(() =>
        Effect.sync(() => {
          person.state = "gone"
        })
      ),
      (effect) => (scheduler ? Effect.withScheduler(effect, scheduler) : effect),
      Effect.fork
    )
    const guest: Guest = Object.assign(person, { fiber })
    guests.push(guest)
    return guest
  })
  const come = (user: string) => Effect.zipLeft(arrive(user), settle)
  const letGo = ({ gate }: Guest) => Effect.zipRight(Deferred.succeed(gate, undefined), settle)
  const letAllGo = Effect.gen(function* () {
    while (inside() > 0) {
      for (const { gate, state } of guests) if (state === "inside") yield* Deferred.succeed(gate, undefined)
      yield* settle
    }
  })
  /** Whether exactly as many fit in now as the limits say. */
  const isWhole = ({ maxConcurrentSandboxes }: LimitValues) =>
    Effect.gen(function* () {
      assert.strictEqual(inside() + waiting().length, 0)
      for (let user = 0; user <= maxConcurrentSandboxes; user++) yield* arrive(`probe_${user}`)
      yield* settle
      assert.strictEqual(inside(), maxConcurrentSandboxes)
      assert.strictEqual(waiting().length, 1)
      yield* letAllGo
    })
  return { admission, limits, guests, entered, inside, waiting, arrive, come, letGo, letAllGo, isWhole }
})
type House = Effect.Effect.Success<ReturnType<typeof makeHouse>>

const failureOf = (exit: Ended) => (Exit.isFailure(exit) ? Cause.failureOption(exit.cause) : undefined)
const refusalOf = ({ fiber }: Guest) =>
  Effect.map(Fiber.await(fiber), (exit) => {
    const failure = failureOf(exit)
    assert(failure?._tag === "Some")
    return failure.value
  })

const steps = Array.from({ length: 60 }, (_, index) => index + 1)

const users = ["a", "b", "c"]
const which = FastCheck.nat(30)
const small = FastCheck.integer({ min: 1, max: 4 })
const action = FastCheck.oneof(
  {
    weight: 8,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("come" as const),
      user: FastCheck.constantFrom(...users)
    })
  },
  { weight: 3, arbitrary: FastCheck.record({ do: FastCheck.constant("letGo" as const), which }) },
  { weight: 4, arbitrary: FastCheck.record({ do: FastCheck.constant("interrupt" as const), which }) }
)
const adjustment = FastCheck.record({ do: FastCheck.constant("adjust" as const), all: small, each: small })
const pause = FastCheck.constant({ do: "settle" as const })
type Action =
  | { readonly do: "come"; readonly user: string }
  | { readonly do: "letGo" | "interrupt"; readonly which: number }
  | { readonly do: "adjust"; readonly all: number; readonly each: number }
  | { readonly do: "settle" }

const perform = (house: House, action: Action, limits: LimitValues) =>
  Effect.gen(function* () {
    if (action.do === "come") return void (yield* house.arrive(action.user))
    if (action.do === "settle") return yield* settle
    if (action.do === "adjust") return yield* house.admission.adjust(limits)
    const guest = house.guests[action.which % Math.max(1, house.guests.length)]
    if (guest === undefined) return
    if (action.do === "letGo") yield* Deferred.succeed(guest.gate, undefined)
    else guest.fiber.unsafeInterruptAsFork(FiberId.none)
  })

/** Nobody waits who could go. */
const assertBusy = (house: House, limits: LimitValues) => {
  if (house.inside() < limits.maxConcurrentSandboxes) {
    for (const { userId } of house.waiting()) {
      assert.isAtLeast(house.inside(userId), limits.maxSandboxesPerUser, `${userId} waits for nothing`)
    }
  }
}

/** What the admission says of itself is what is there. */
const assertOccupancy = Effect.fnUntraced(function* ({ admission, inside, waiting }: House) {
  const present = users.filter((user) => inside(user) > 0 || waiting().some(({ userId }) => userId === user))
  assert.deepStrictEqual(yield* admission.occupancy, {
    active: inside(),
    queued: waiting().length,
    gpus: 0,
    users: present.length
  })
  for (const user of users) {
    assert.deepStrictEqual(yield* admission.occupancyOf(UserId.make(user)), {
      active: inside(user),
      queued: waiting().filter(({ userId }) => userId === user).length,
      gpus: 0
    })
  }
})

/** Of one user's, those who came first went first. */
const assertOrder = (house: House) => {
  for (const user of users) {
    const orders = house.entered.filter(({ userId }) => userId === user).map(({ order }) => order)
    assert.deepStrictEqual(
      orders,
      [...orders].sort((a, b) => a - b)
    )
  }
}

describe("whatever comes, goes or is interrupted", () => {
  it.scoped.prop(
    "after each step the caps hold, also changed ones, and nobody waits for nothing",
    [
      FastCheck.array(
        FastCheck.oneof({ weight: 9, arbitrary: action }, { weight: 1, arbitrary: adjustment }),
        { maxLength: 40 }
      )
    ],
    ([actions]) =>
      Effect.gen(function* () {
        let limits = limitsOf({ maxConcurrentSandboxes: 3, maxSandboxesPerUser: 2 })
        const house = yield* makeHouse(limits)
        for (const action of actions) {
          const before = { all: house.inside(), each: users.map((user) => house.inside(user)) }
          if (action.do === "adjust") {
            limits = { ...limits, maxConcurrentSandboxes: action.all, maxSandboxesPerUser: action.each }
          }
          yield* perform(house, action, limits)
          yield* settle
          // Limits that fall send nobody out, but let nobody in until the rest are few enough.
          assert.isAtMost(house.inside(), Math.max(limits.maxConcurrentSandboxes, before.all))
          for (const [index, user] of users.entries()) {
            assert.isAtMost(house.inside(user), Math.max(limits.maxSandboxesPerUser, before.each[index] ?? 0))
          }
          assertBusy(house, limits)
          assertOrder(house)
          yield* assertOccupancy(house)
        }
        yield* house.letAllGo
        yield* house.isWhole(limits)
      }),
    { fastCheck: { numRuns: 25 } }
  )

  it.scoped.prop(
    "and however many things happen at once, the caps hold at every moment",
    [
      FastCheck.array(FastCheck.oneof({ weight: 9, arbitrary: action }, { weight: 1, arbitrary: pause }), {
        maxLength: 150
      })
    ],
    ([actions]) =>
      Effect.gen(function* () {
        const limits = limitsOf({ maxConcurrentSandboxes: 3, maxSandboxesPerUser: 2 })
        const house = yield* makeHouse(limits)
        for (const action of actions) {
          yield* perform(house, action, limits)
          assert.isAtMost(house.inside(), limits.maxConcurrentSandboxes)
          for (const user of users) assert.isAtMost(house.inside(user), limits.maxSandboxesPerUser)
        }
        yield* settle
        assertBusy(house, limits)
        yield* house.letAllGo
        yield* house.isWhole(limits)
      }),
    { fastCheck: { numRuns: 60 } }
  )

  it.scoped.prop(
    "nor do limits that change at the same moment leave anyone stuck",
    [
      FastCheck.array(
        FastCheck.oneof(
          { weight: 5, arbitrary: action },
          { weight: 3, arbitrary: adjustment },
          { weight: 1, arbitrary: pause }
        ),
        { maxLength: 100 }
      )
    ],
    ([actions]) =>
      Effect.gen(function* () {
        let limits = limitsOf({ maxConcurrentSandboxes: 3, maxSandboxesPerUser: 2 })
        const house = yield* makeHouse(limits)
        for (const action of actions) {
          if (action.do === "adjust") {
            limits = { ...limits, maxConcurrentSandboxes: action.all, maxSandboxesPerUser: action.each }
          }
          yield* perform(house, action, limits)
        }
        yield* settle
        assertBusy(house, limits)
        yield* house.letAllGo
        yield* house.isWhole(limits)
      }),
    { fastCheck: { numRuns: 60 } }
  )
})

describe("at whatever step", () => {
  it.scoped("a place becomes free, one who is about to wait gets it", () =>
    Effect.forEach(steps, (step) =>
      Effect.gen(function* () {
        const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
        const first = yield* house.come("a")
        const second = yield* house.arrive(
          "b",
          yieldAt(step, () => Deferred.unsafeDone(first.gate, Exit.void))
        )
        yield* settle
        yield* house.letGo(first)
        assert.strictEqual(second.state, "inside", `free at step ${step}`)
        yield* house.letAllGo
      })
    )
  )

  it.scoped("one who has just been let in is interrupted, the next gets the turn", () =>
    Effect.forEach(steps, (step) =>
      Effect.gen(function* () {
        const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
        const first = yield* house.come("a")
        const second: Guest = yield* house.arrive(
          "b",
          yieldAt(step, () => second.fiber.unsafeInterruptAsFork(FiberId.none))
        )
        const third = yield* house.come("c")
        yield* house.letGo(first)
        yield* house.letGo(second)
        assert.strictEqual(third.state, "inside", `interrupted at step ${step}`)
        yield* house.letGo(third)
        yield* house.isWhole(house.limits)
      })
    )
  )

  it.scoped("work that enters or leaves is interrupted, its place is counted right", () =>
    Effect.forEach(steps.slice(0, 30), (step) =>
      Effect.gen(function* () {
        const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
        const who = { executionId: ExecutionId.make("exec_x"), userId: UserId.make("a") }
        const interruptAt = <E>(effect: Effect.Effect<void, E>) =>
          Effect.gen(function* () {
            const fiber: Fiber.RuntimeFiber<void, E> = yield* Effect.fork(
              Effect.withScheduler(
                effect,
                yieldAt(step, () => fiber.unsafeInterruptAsFork(FiberId.none))
              )
            )
            yield* Fiber.await(fiber)
          })
        yield* interruptAt(house.admission.enterNow(who))
        yield* interruptAt(house.admission.leave(who))
        yield* house.admission.leave(who)
        yield* house.isWhole(house.limits)
      })
    )
  )

  it.scoped("a change of limits is interrupted, they are in force as a whole or not at all", () =>
    Effect.forEach(steps.slice(0, 40), (step) =>
      Effect.gen(function* () {
        const house = yield* makeHouse({ maxConcurrentSandboxes: 1, maxSandboxesPerUser: 1 })
        const guests = [yield* house.come("a"), yield* house.come("a"), yield* house.come("b")]
        const changed = limitsOf({ maxConcurrentSandboxes: 3, maxSandboxesPerUser: 2 })
        const change: Fiber.RuntimeFiber<void, AdmissionUnreachable> = yield* Effect.fork(
          Effect.withScheduler(
            house.admission.adjust(changed),
            yieldAt(step, () => change.unsafeInterruptAsFork(FiberId.none))
          )
        )
        yield* settle
        const states = guests.map(({ state }) => state)
        assert.include(
          [
            ["inside", "waits", "waits"],
            ["inside", "inside", "inside"]
          ].map(String),
          String(states)
        )
        yield* house.letAllGo
        yield* house.isWhole(states[1] === "inside" ? changed : house.limits)
      })
    )
  )
})

describe("the queue", () => {
  it.scoped("takes turns among users: a noisy one costs another one turn at most", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
      yield* house.come("noisy")
      for (let index = 0; index < 1000; index++) yield* house.arrive("noisy")
      yield* settle
      const other = yield* house.come("other")
      assert.strictEqual(other.ahead, 1)
      while (other.state === "waits") yield* house.letGo(house.entered.at(-1) as Guest)
      assert.strictEqual(house.entered.length, 3)
      for (const { fiber } of house.guests) fiber.unsafeInterruptAsFork(FiberId.none)
      yield* settle
      yield* house.isWhole(house.limits)
    })
  )

  it.scoped("is bounded for each user and in all, and says when to come again", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({
        maxConcurrentSandboxes: 1,
        maxQueuedPerUser: 2,
        maxQueued: 3,
        maxQueueWait: 12.5
      })
      for (const user of ["a", "a", "a", "b"]) yield* house.come(user)
      const quota = yield* refusalOf(yield* house.come("a"))
      assert.deepInclude(quota, { _tag: "QuotaExceeded", retryAfter: 13 })
      assert.include(quota, { message: "User quota exceeded: 2 executions already wait" })
      const capacity = yield* refusalOf(yield* house.come("c"))
      assert.deepInclude(capacity, { _tag: "SystemAtCapacity", retryAfter: 13 })
      assert.include(capacity, { message: "System at capacity: 3 executions already wait" })
    })
  )

  it.scoped("lets nobody wait longer than the limits say", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1, maxQueueWait: 12.5, maxQueued: 1 })
      const first = yield* house.come("a")
      const second = yield* house.come("b")
      yield* TestClock.adjust("12499 millis")
      assert.strictEqual(second.state, "waits")
      yield* TestClock.adjust("1 millis")
      assert.deepInclude(yield* refusalOf(second), { _tag: "QueueTimeout", retryAfter: 13 })
      const third = yield* house.come("c")
      assert.strictEqual(third.state, "waits")
      yield* house.letGo(first)
      assert.strictEqual(third.state, "inside")
    })
  )

  it.scoped("an interrupt takes one who waits out at once", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1, maxQueued: 2 })
      const first = yield* house.come("a")
      const second = yield* house.come("b")
      const third = yield* house.come("c")
      assert.strictEqual((yield* house.admission.canStart(UserId.make("d"))).ahead, 2)
      yield* Fiber.interruptFork(second.fiber)
      yield* settle
      assert.strictEqual(second.state, "gone")
      assert.strictEqual((yield* house.admission.canStart(UserId.make("d"))).ahead, 1)
      const fourth = yield* house.come("d")
      assert.strictEqual(fourth.state, "waits")
      yield* house.letGo(first)
      assert.strictEqual(third.state, "inside")
    })
  )

  it.scoped("gives the turn of one who leaves in the same moment to the next", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
      const first = yield* house.come("a")
      const second = yield* house.come("b")
      const third = yield* house.come("c")
      yield* Deferred.succeed(first.gate, undefined)
      second.fiber.unsafeInterruptAsFork(FiberId.none)
      yield* settle
      assert.strictEqual(second.state, "gone")
      assert.strictEqual(third.state, "inside")
    })
  )

  it.scoped("sends everyone away with one refusal, held users too", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 1 })
      const first = yield* house.come("a")
      const waiting = [yield* house.come("a"), yield* house.come("a")]
      yield* house.come("b")
      waiting.push(yield* house.come("c"))
      yield* house.admission.dismiss(
        (executionId) => new ShuttingDown({ executionId, message: "bye", retryAfter: 1 })
      )
      // It was on its way: nobody would send it away later.
      waiting.push(yield* house.come("d"))
      for (const guest of waiting) {
        const executionId = ExecutionId.make(`exec_${guest.order}`)
        assert.deepInclude(yield* refusalOf(guest), { _tag: "ShuttingDown", executionId })
      }
      assert.strictEqual(first.state, "inside")
      yield* house.letAllGo
      assert.deepInclude(yield* house.admission.occupancy, { active: 0, queued: 0, users: 0 })
    })
  )
})

describe("canStart", () => {
  it.scoped("says why not, and how many of those who wait may go before", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 1 })
      const { admission } = house
      assert.deepStrictEqual(yield* admission.canStart(UserId.make("a")), { allowed: true })
      yield* house.come("a")
      assert.deepStrictEqual(yield* admission.canStart(UserId.make("a")), {
        allowed: false,
        reason: "User limit reached: 1 executions at once",
        ahead: 0
      })
      assert.deepStrictEqual(yield* admission.canStart(UserId.make("b")), { allowed: true })
      yield* house.come("b")
      for (const user of ["b", "b", "c"]) yield* house.come(user)
      assert.deepStrictEqual(yield* admission.canStart(UserId.make("d")), {
        allowed: false,
        reason: "System at capacity: 2 executions at once",
        ahead: 2
      })
    })
  )

  it.scoped("tells who waits how many are before it now", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1 })
      const first = yield* house.come("a")
      for (const user of ["b", "b", "b", "c"]) yield* house.come(user)
      const ahead = (user: string, order: number) =>
        Effect.map(
          house.admission.aheadOf({
            executionId: ExecutionId.make(`exec_${order}`),
            userId: UserId.make(user)
          }),
          Option.getOrUndefined
        )
      const all = Effect.all([ahead("b", 1), ahead("b", 2), ahead("b", 3), ahead("c", 4)])
      assert.deepStrictEqual(yield* all, [1, 2, 3, 1])
      yield* house.letGo(first)
      assert.deepStrictEqual(yield* all, [undefined, 1, 2, 1])
      assert.isUndefined(yield* ahead("a", 0))
      assert.isUndefined(yield* ahead("c", 2))
    })
  )

  it.scoped("does not count on turns that the user's own cap suspends", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 1 })
      yield* house.come("a")
      const loud = [
        yield* house.come("b"),
        yield* house.come("b"),
        yield* house.come("b"),
        yield* house.come("b")
      ]
      const held = yield* house.come("a")
      for (const guest of loud) yield* house.letGo(guest)
      assert.strictEqual(house.entered.length, 5)
      assert.strictEqual(held.state, "waits")
      assert.strictEqual(held.ahead, 3)
    })
  )

  it.scoped.prop(
    "and no more of those who wait go before than was said",
    [
      FastCheck.array(FastCheck.constantFrom(...users), { minLength: 5, maxLength: 30 }),
      FastCheck.array(which, { maxLength: 40 }),
      small,
      small
    ],
    ([arrivals, leavers, maxConcurrentSandboxes, maxSandboxesPerUser]) =>
      Effect.gen(function* () {
        const house = yield* makeHouse({ maxConcurrentSandboxes, maxSandboxesPerUser })
        const said: Array<{ guest: Guest; others: ReadonlyArray<Guest>; ahead: number }> = []
        const ask = Effect.gen(function* () {
          for (const guest of house.waiting()) {
            const executionId = ExecutionId.make(`exec_${guest.order}`)
            const ahead = yield* house.admission.aheadOf({ executionId, userId: guest.userId })
            const others = house.waiting().filter((other) => other !== guest)
            said.push({ guest, others, ahead: Option.getOrThrow(ahead) })
          }
        })
        for (const [index, user] of arrivals.entries()) {
          const others = house.waiting()
          const guest = yield* house.come(user)
          if (guest.ahead !== undefined) said.push({ guest, others, ahead: guest.ahead })
          yield* ask
          const leaver = house.guests[(leavers[index] ?? 1) % house.guests.length]
          if (leaver?.state === "inside" && index % 2 === 0) yield* house.letGo(leaver)
        }
        for (const which of leavers) {
          const inside = house.guests.filter(({ state }) => state === "inside")
          const leaver = inside[which % inside.length]
          if (leaver) yield* house.letGo(leaver)
          yield* ask
        }
        for (const { ahead, guest, others } of said) {
          const turn = house.entered.findIndex(({ order }) => order === guest.order)
          const earlier = house.entered.slice(0, Math.max(0, turn)).map(({ order }) => order)
          assert.isAtMost(others.filter(({ order }) => earlier.includes(order)).length, ahead)
        }
        yield* house.letAllGo
      }),
    { fastCheck: { numRuns: 25 } }
  )
})

describe("other limits", () => {
  it.scoped("that are higher let those who wait in at once", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 1, maxSandboxesPerUser: 1 })
      for (const user of ["a", "a", "a", "b", "c"]) yield* house.come(user)
      yield* house.admission.adjust(limitsOf({ maxConcurrentSandboxes: 4, maxSandboxesPerUser: 2 }))
      yield* settle
      assert.deepStrictEqual(
        house.entered.map(({ order }) => order),
        [0, 3, 4, 1]
      )
    })
  )

  it.scoped("that are lower let nobody in until those inside are few enough", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 4, maxSandboxesPerUser: 4 })
      for (const user of ["a", "a", "b", "b", "c"]) yield* house.come(user)
      const lower = limitsOf({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 1 })
      yield* house.admission.adjust(lower)
      yield* settle
      const [first, second, third, fourth, last] = house.guests
      assert(first && second && third && fourth && last)
      for (const guest of [first, second]) {
        yield* house.letGo(guest)
        assert.strictEqual(last.state, "waits")
      }
      yield* house.letGo(third)
      assert.strictEqual(last.state, "inside")
      yield* house.letAllGo
      yield* house.isWhole(lower)
    })
  )

  it.scoped("that fall in the moment in which one is let in do not shut it in the door", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse({ maxConcurrentSandboxes: 2, maxSandboxesPerUser: 2 })
      const who = { executionId: ExecutionId.make("exec_x"), userId: UserId.make("x") }
      yield* house.admission.enterNow(who)
      yield* house.come("a")
      const waiter = yield* house.come("a")
      const lower = limitsOf({ maxConcurrentSandboxes: 1, maxSandboxesPerUser: 1 })
      yield* Effect.zipRight(house.admission.leave(who), house.admission.adjust(lower))
      yield* settle
      assert.strictEqual(waiter.state, "inside")
      yield* house.letAllGo
      yield* house.isWhole(lower)
    })
  )
})

it.scoped("a thousand users that came and went leave everything as it was", () =>
  Effect.gen(function* () {
    const house = yield* makeHouse({ maxConcurrentSandboxes: 3, maxSandboxesPerUser: 1 })
    for (let user = 0; user < 1000; user++) yield* house.arrive(`user_${user}`)
    yield* settle
    for (const guest of house.guests) yield* Deferred.succeed(guest.gate, undefined)
    while (house.waiting().length > 0) yield* settle
    yield* settle
    assert.strictEqual(house.entered.length, 1000)
    yield* house.isWhole(house.limits)
    assert.deepStrictEqual(yield* house.admission.canStart(UserId.make("user_0")), { allowed: true })
  })
)
