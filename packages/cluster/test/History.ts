import type { PCGRandom } from "effect/Utils"
import { type Encounter, goodNetwork, type Mutation, type Network, type Replica, World } from "./World.js"

/** What came of one history. */
export interface Outcome {
  readonly violations: ReadonlyArray<string>
  readonly begun: number
  readonly met: ReadonlySet<Encounter>
}

const users = ["ann", "bob", "cid"]

type Act = readonly [weight: number, act: () => void]

/** One in four histories has changes of owner, and nothing else goes wrong: there, order is kept over all replicas. */
const calmness = 4

const badNetwork = (random: PCGRandom): Network => {
  const rate = () => (random.integer(2) === 0 ? 0 : random.number() * 0.3)
  return { loss: rate(), doubling: rate(), lateness: rate(), straying: rate() }
}

/** Milliseconds that something is not there: mostly moments, sometimes so long that the others go on without it. */
const absence = (random: PCGRandom) => (random.integer(6) === 0 ? 3600 : random.integer(1200))

class History {
  private readonly world: World
  private readonly random: PCGRandom
  private readonly isCalm: boolean

  constructor(seed: number, mutation: Mutation) {
    this.world = new World({}, { mutation, seed })
    this.random = this.world.random
    this.isCalm = this.random.integer(calmness) === 0
    this.world.limits.maxConcurrentSandboxes = 1 + this.random.integer(3)
    this.world.limits.maxSandboxesPerUser = 1 + this.random.integer(3)
    // A user's own bound of what waits, which some reach.
    this.world.limits.maxQueuedPerUser = 3
    this.world.network = this.isCalm ? goodNetwork : badNetwork(this.random)
    this.world.isOrderKept = this.isCalm
  }

  play(): Outcome {
    const { random, world } = this
    world.addOwner()
    const count = 2 + Math.min(random.integer(4), random.integer(4))
    for (let index = 0; index < count; index++) world.addReplica(String(index))
    world.beforeMessage(1 + random.integer(50), () => this.changeOwner(random.integer(300)))
    const steps = 4 + random.integer(10)
    const acts = [...this.ordinary, ...(this.isCalm ? [] : this.harmful)]
    for (let step = 0; step < steps && world.violations.length === 0; step++) {
      this.oneOf(acts)
      world.pass(random.integer(160))
    }
    this.recover()
    world.bury()
    return { violations: world.violations, begun: world.begun.length, met: world.met }
  }

  private get ordinary(): ReadonlyArray<Act> {
    const { random, world } = this
    return [
      [60, () => this.arrive()],
      [6, () => world.leave(this.pick(world.waiting))],
      [4, () => world.addOwner()],
      [4, () => this.changeOwner(random.integer(1500))]
    ]
  }

  private get harmful(): ReadonlyArray<Act> {
    const { world } = this
    return [
      [4, () => this.withAbsence((milliseconds) => world.freezeOwner(milliseconds))],
      [4, () => this.toReplica((it) => this.withAbsence((milliseconds) => world.cutOff(it, milliseconds)))],
      [
        4,
        () =>
          this.toReplica((it) => this.withAbsence((milliseconds) => world.freezeReplica(it, milliseconds)))
      ],
      [2, () => this.replace((it) => this.die(it))],
      [2, () => this.replace((it) => this.stop(it))]
    ]
  }

  private pick<A>(all: ReadonlyArray<A>): A | undefined {
    return all[this.random.integer(Math.max(1, all.length))]
  }

  private oneOf(acts: ReadonlyArray<Act>): void {
    let at = this.random.integer(acts.reduce((sum, [weight]) => sum + weight, 0))
    const chosen = acts.find(([weight]) => {
      at -= weight
      return at < 0
    })
    chosen?.[1]()
  }

  private toReplica(act: (replica: Replica) => void): void {
    const replica = this.pick(this.world.living)
    if (replica !== undefined) act(replica)
  }

  private arrive(): void {
    const { random, world } = this
    this.toReplica((it) => {
      world.arrive(it, this.pick(users) ?? "ann", 30 + random.integer(random.integer(8) === 0 ? 1500 : 300))
    })
  }

  private changeOwner(milliseconds: number): void {
    const { world } = this
    world.killOwners()
    world.afterwards(milliseconds, () => world.addOwner())
  }

  /** What is away for long is missed by the others, before anything else happens. */
  private withAbsence(act: (milliseconds: number) => void): void {
    const milliseconds = absence(this.random)
    act(milliseconds)
    if (milliseconds > 3000) this.world.pass(milliseconds)
  }

  private replace(act: (replica: Replica) => void): void {
    this.toReplica((it) => {
      if (this.world.living.length > 1) act(it)
    })
  }

  /** What runs there goes on. */
  private die(replica: Replica): void {
    this.world.arrive(replica, this.pick(users) ?? "ann", 3000)
    this.world.pass(20)
    this.world.kill(replica)
    if (this.random.integer(6) > 0) this.world.succeed(replica)
    else this.world.addReplica(replica.session.instance)
  }

  private stop(replica: Replica): void {
    this.world.stop(replica)
    this.world.addReplica(replica.session.instance)
  }

  /** Nothing goes wrong any more, and everything must come to its end. What died may take half a minute. */
  private recover(): void {
    const { world } = this
    world.heal()
    const isDone = () => world.waiting.length === 0 && world.permits === 0
    const end = world.time.now + 40_000 + world.guests.length * 3000
    while (world.time.now < end && world.violations.length === 0 && !isDone()) {
      world.pass(250, isDone)
      world.checkIdle()
    }
    for (const { order } of world.waiting) world.violations.push(`lost: ${order} never has its turn`)
    if (world.violations.length === 0 && world.permits > 0)
      world.violations.push(`permits: ${world.permits} are never given back`)
  }
}

/**
 * Plays a history that the seed decides: executions come to some replicas and leave, owners change at any step and
 * between any two messages, die, stand still and come back, replicas too, and the network loses, doubles and delays.
 */
export const play = (seed: number, mutation: Mutation = {}): Outcome => new History(seed, mutation).play()
