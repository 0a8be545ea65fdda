import type { Gpus } from "@bulkhead/domain"
import { PCGRandom } from "effect/Utils"
import { type Encounter, goodNetwork, type Mutation, type Network, type Replica, World } from "./World.js"

/** What came of one history. */
export interface Outcome {
  readonly violations: ReadonlyArray<string>
  readonly begun: number
  readonly met: ReadonlySet<Encounter>
}

const users = ["ann", "bob", "cid"]

const mostReplicas = 5

type Act = readonly [weight: number, act: () => void]

/** One in four histories has changes of owner, and nothing else goes wrong: there, order is kept over all replicas. */
const calmness = 4

/** One in three histories has machines with GPUs. What else is in it stays the same. */
const gpuRarity = 3

const kinds = ["L4", "H100"]

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
  /** Decides what has to do with GPUs. */
  private readonly gpuRandom: PCGRandom

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
    this.gpuRandom = new PCGRandom(seed, 7)
    if (this.gpuRandom.integer(gpuRarity) === 0) this.addGpus()
  }

  private addGpus(): void {
    const { gpuRandom: random, world } = this
    for (let index = 0; index < mostReplicas; index++)
      world.machineGpus.set(
        String(index),
        kinds
          .slice(0, 1 + random.integer(kinds.length))
          .map((kind) => ({ kind, count: 1 + random.integer(3) }))
      )
    world.limits.maxGpus = 1 + random.integer(4)
    world.limits.maxGpusPerUser = 1 + random.integer(3)
  }

  /** What an execution wants of the machine that it comes to: half of them want none. */
  private wanted({ session }: Replica): Gpus | undefined {
    const { gpuRandom: random, world } = this
    const present = this.pickBy(random, world.machineGpus.get(session.instance) ?? [])
    if (present === undefined || random.integer(2) === 0) return undefined
    const { maxGpus, maxGpusPerUser } = world.limits
    const most = Math.min(present.count, maxGpus, maxGpusPerUser)
    return { kind: present.kind, count: 1 + random.integer(most) }
  }

  play(): Outcome {
    const { random, world } = this
    world.addOwner()
    const count = 2 + Math.min(random.integer(mostReplicas - 1), random.integer(mostReplicas - 1))
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
    return this.pickBy(this.random, all)
  }

  private pickBy<A>(random: PCGRandom, all: ReadonlyArray<A>): A | undefined {
    return all[random.integer(Math.max(1, all.length))]
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
      const user = this.pick(users) ?? "ann"
      const milliseconds = 30 + random.integer(random.integer(8) === 0 ? 1500 : 300)
      const gpus = this.wanted(it)
      // So long that many see a change of owner.
      world.arrive(it, user, milliseconds + (gpus ? this.gpuRandom.integer(2000) : 0), gpus)
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
    this.world.arrive(replica, this.pick(users) ?? "ann", 3000, this.wanted(replica))
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
