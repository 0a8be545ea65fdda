import { ExecutionId, type Gpus, type Refusal, UserId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Context, Deferred, Effect, Exit, FastCheck, Fiber, FiberId, Layer } from "effect"
import { Admission } from "../src/Admission/Admission.js"
import { GpuSupply } from "../src/Admission/GpuSupply.js"
import { defaultLimits, Limits, type LimitValues } from "../src/Limits.js"
import { settle } from "./Fixture.js"

const big = "NVIDIA H100"
const small = "NVIDIA L4"
const supply: ReadonlyArray<Gpus> = [
  { kind: big, count: 4 },
  { kind: small, count: 2 }
]

/** One execution that asked for a place. */
interface Guest {
  readonly userId: UserId
  readonly order: number
  readonly gpus?: Gpus
  readonly gate: Deferred.Deferred<void>
  readonly fiber: Fiber.RuntimeFiber<void, Refusal>
  state: "waits" | "inside" | "gone"
}

const limitsOf = (limits: Partial<LimitValues>): LimitValues => ({
  ...defaultLimits,
  maxConcurrentSandboxes: 10,
  maxSandboxesPerUser: 10,
  maxQueued: 1000,
  maxQueuedPerUser: 1000,
  ...limits
})

const makeHouse = Effect.fnUntraced(function* (limits: LimitValues) {
  const layer = Admission.layer.pipe(
    Layer.provide(Layer.merge(Limits.layer(limits), Layer.succeed(GpuSupply, supply)))
  )
  const admission = Context.get(yield* Layer.build(layer), Admission)
  const guests: Array<Guest> = []
  const entered: Array<number> = []
  const inside = () => guests.filter(({ state }) => state === "inside")
  const waiting = () => guests.filter(({ fiber, state }) => state === "waits" && fiber.unsafePoll() === null)

  const come = Effect.fnUntraced(function* (user: string, count = 0, kind = big) {
    const gate = yield* Deferred.make<void>()
    const order = guests.length
    const who = {
      executionId: ExecutionId.make(`exec_${order}`),
      userId: UserId.make(user),
      ...(count > 0 && { gpus: { kind, count } })
    }
    const person: Omit<Guest, "fiber"> = { ...who, order, gate, state: "waits" }
    const visit = Effect.acquireUseRelease(
      Effect.sync(() => {
        person.state = "inside"
        entered.push(order)
      }),
      () => Deferred.await(gate),
      () =>
        Effect.sync(() => {
          person.state = "gone"
        })
    )
    const fiber = yield* Effect.fork(admission.withPermit(who, () => Effect.void, visit))
    const guest: Guest = Object.assign(person, { fiber })
    guests.push(guest)
    yield* settle
    return guest
  })
  const letGo = ({ gate }: Guest) => Effect.zipRight(Deferred.succeed(gate, undefined), settle)
  return { admission, guests, entered, inside, waiting, come, letGo }
})
type House = Effect.Effect.Success<ReturnType<typeof makeHouse>>

const sum = (guests: ReadonlyArray<Guest>) => guests.reduce((all, { gpus }) => all + (gpus?.count ?? 0), 0)
const ofKind = (guests: ReadonlyArray<Guest>, kind: string) =>
  guests.filter(({ gpus }) => gpus?.kind === kind)
const ofUser = (guests: ReadonlyArray<Guest>, userId: string) =>
  guests.filter((guest) => guest.userId === userId)

/** The first of each user's that waits. */
const heads = (house: House) =>
  house.waiting().filter(({ userId, order }) => ofUser(house.waiting(), userId)[0]?.order === order)

/** Whether only what others have keeps a head waiting. */
const isOthersFault = (house: House, { gpus, userId }: Guest, limits: LimitValues) =>
  ofUser(house.inside(), userId).length < limits.maxSandboxesPerUser &&
  sum(ofUser(house.inside(), userId)) + (gpus?.count ?? 0) <= limits.maxGpusPerUser

const isFree = (house: House, { count, kind }: Gpus, limits: LimitValues) =>
  sum(house.inside()) + count <= limits.maxGpus &&
  sum(ofKind(house.inside(), kind)) + count <= (supply.find((each) => each.kind === kind)?.count ?? 0)

const assertCaps = (house: House, limits: LimitValues) => {
  assert.isAtMost(house.inside().length, limits.maxConcurrentSandboxes)
  assert.isAtMost(sum(house.inside()), limits.maxGpus)
  for (const { count, kind } of supply) assert.isAtMost(sum(ofKind(house.inside(), kind)), count)
  for (const { userId } of house.inside()) {
    assert.isAtMost(sum(ofUser(house.inside(), userId)), limits.maxGpusPerUser)
    assert.isAtMost(ofUser(house.inside(), userId).length, limits.maxSandboxesPerUser)
  }
}

/** While there is a permit, who needs no GPUs waits only behind its user's own; and not all wait whose GPUs are there. */
const assertBusy = (house: House, limits: LimitValues) => {
  if (house.inside().length >= limits.maxConcurrentSandboxes) return
  const eligible = heads(house).filter((guest) => isOthersFault(house, guest, limits))
  for (const { gpus, order } of eligible) assert.isDefined(gpus, `${order} waits for nothing`)
  if (eligible.length > 0)
    assert.isTrue(
      eligible.some(({ gpus }) => gpus && !isFree(house, gpus, limits)),
      "all who wait could go"
    )
}

const action = FastCheck.oneof(
  {
    weight: 5,
    arbitrary: FastCheck.record({
      do: FastCheck.constant("come" as const),
      user: FastCheck.constantFrom("a", "b", "c"),
      kind: FastCheck.constantFrom(big, big, small),
      count: FastCheck.constantFrom(0, 1, 1, 2, 3)
    })
  },
  {
    weight: 3,
    arbitrary: FastCheck.record({
      do: FastCheck.constantFrom("letGo", "interrupt"),
      which: FastCheck.nat(30)
    })
  }
)
type Action = typeof action extends FastCheck.Arbitrary<infer A> ? A : never

const perform = (house: House, action: Action) =>
  Effect.gen(function* () {
    if ("user" in action) {
      const count = action.kind === small ? Math.min(2, action.count) : action.count
      return void (yield* house.come(action.user, count, action.kind))
    }
    const [among, act] =
      action.do === "letGo"
        ? [house.inside(), house.letGo]
        : [house.guests, ({ fiber }: Guest) => Effect.sync(() => fiber.unsafeInterruptAsFork(FiberId.none))]
    const guest = among[action.which % Math.max(1, among.length)]
    if (guest !== undefined) yield* act(guest)
    yield* settle
  })

const letAllGo = (house: House) =>
  Effect.gen(function* () {
    while (house.inside().length > 0) for (const guest of house.inside()) yield* house.letGo(guest)
  })

const limitsFor = FastCheck.record({
  maxConcurrentSandboxes: FastCheck.integer({ min: 1, max: 6 }),
  maxSandboxesPerUser: FastCheck.integer({ min: 1, max: 4 }),
  maxGpus: FastCheck.integer({ min: 3, max: 6 }),
  maxGpusPerUser: FastCheck.integer({ min: 3, max: 6 })
})

describe("whatever comes and goes with GPUs", () => {
  it.scoped.prop(
    "the caps hold, each user's go in order, nobody waits for nothing, and in the end all have gone",
    [limitsFor, FastCheck.array(action, { maxLength: 40 })],
    ([given, actions]) =>
      Effect.gen(function* () {
        const limits = limitsOf(given)
        const house = yield* makeHouse(limits)
        for (const action of actions) {
          yield* perform(house, action)
          assertCaps(house, limits)
          assertBusy(house, limits)
          assert.strictEqual((yield* house.admission.occupancy).gpus, sum(house.inside()))
        }
        yield* letAllGo(house)
        assert.deepStrictEqual(house.waiting(), [])
        assert.deepInclude(yield* house.admission.occupancy, { active: 0, queued: 0, gpus: 0, users: 0 })
        for (const user of ["a", "b", "c"]) {
          const orders = house.entered.filter((order) => house.guests[order]?.userId === user)
          assert.deepStrictEqual(
            orders,
            orders.toSorted((a, b) => a - b)
          )
        }
      }),
    { fastCheck: { numRuns: 60 } }
  )

  it.scoped.prop(
    "nobody who came later takes GPUs of a kind from under one who waits for them",
    [FastCheck.array(action, { maxLength: 40 })],
    ([actions]) =>
      Effect.gen(function* () {
        // Each user may have all, so that only others keep anyone waiting.
        const limits = limitsOf({})
        const house = yield* makeHouse(limits)
        for (const action of actions) {
          const first = heads(house)
          yield* perform(house, action)
          const isNew = ({ order }: Guest) => order >= house.guests.length - ("user" in action ? 1 : 0)
          for (const { gpus, order, state } of first) {
            if (state !== "waits" || gpus === undefined) continue
            const overtaking = ofKind(house.inside(), gpus.kind).find(isNew)
            assert.isUndefined(overtaking, `${overtaking?.order} overtook ${order}`)
          }
        }
        yield* letAllGo(house)
      }),
    { fastCheck: { numRuns: 60 } }
  )
})

describe("one that waits for GPUs", () => {
  it.scoped("is not starved by small ones that keep coming", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse(limitsOf({}))
      for (const user of ["b", "c", "d", "e"]) yield* house.come(user, 1)
      const large = yield* house.come("a", 4)
      for (let round = 0; round < 4; round++) {
        const later = yield* house.come(["b", "c", "d", "e"][round] ?? "", 1)
        yield* house.letGo(house.inside()[0] as Guest)
        assert.strictEqual(later.state, "waits")
      }
      assert.strictEqual(large.state, "inside")
      assert.strictEqual(house.inside().length, 1)
      yield* house.letGo(large)
      assert.strictEqual(house.inside().length, 4)
    })
  )

  it.scoped("holds up its own user's later ones, and nobody who needs none or another kind", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse(limitsOf({}))
      const first = yield* house.come("b", 3)
      const waits = yield* house.come("a", 2)
      const own = yield* house.come("a")
      const others = [yield* house.come("b"), yield* house.come("c"), yield* house.come("c", 1, small)]
      assert.deepStrictEqual(
        others.map(({ state }) => state),
        ["inside", "inside", "inside"]
      )
      assert.deepStrictEqual([waits.state, own.state], ["waits", "waits"])
      assert.deepInclude(yield* house.admission.canStart(UserId.make("a")), { allowed: false, ahead: 2 })
      yield* house.letGo(first)
      assert.deepStrictEqual([waits.state, own.state], ["inside", "inside"])
    })
  )

  it.scoped("does not hold up others while its user's own limit keeps it waiting", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse(limitsOf({ maxGpusPerUser: 2 }))
      yield* house.come("a", 2)
      assert.strictEqual((yield* house.come("a", 1)).state, "waits")
      assert.strictEqual((yield* house.come("b", 2)).state, "inside")
    })
  )

  it.scoped("lets the next one go when it leaves", () =>
    Effect.gen(function* () {
      const house = yield* makeHouse(limitsOf({}))
      yield* house.come("a", 3)
      const leaves = yield* house.come("b", 2)
      const next = yield* house.come("c", 1)
      const own = yield* house.come("b")
      assert.deepStrictEqual([leaves.state, next.state, own.state], ["waits", "waits", "waits"])
      yield* Fiber.interrupt(leaves.fiber)
      yield* settle
      assert.deepStrictEqual([next.state, own.state], ["inside", "inside"])
    })
  )

  it.scoped("is turned away when the limits become too low for it, so that it holds up nobody", () =>
    Effect.gen(function* () {
      const limits = limitsOf({})
      const house = yield* makeHouse(limits)
      yield* house.come("a", 3)
      const large = yield* house.come("b", 4)
      const next = yield* house.come("c", 1)
      yield* house.admission.adjust({ ...limits, maxGpusPerUser: 3 })
      const exit = yield* Fiber.await(large.fiber)
      assert(Exit.isFailure(exit) && exit.cause._tag === "Fail")
      assert.deepInclude(exit.cause.error, {
        _tag: "QuotaExceeded",
        message: "User quota exceeded: 3 GPUs at most"
      })
      yield* settle
      assert.strictEqual(next.state, "inside")
    })
  )
})
