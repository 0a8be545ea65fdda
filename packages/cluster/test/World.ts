import { ExecutionId, ShuttingDown, UserId } from "@bulkhead/domain"
import { Admission, defaultLimits, Limits, LimitsInForce, type LimitValues } from "@bulkhead/sandbox"
import { Context, Effect, Exit, Fiber, Layer, Logger, LogLevel, Scope } from "effect"
import { PCGRandom } from "effect/Utils"
import { SimulatedProcess, SimulationTime } from "../../testing/src/SimulationTime.js"
import {
  AdmissionOwner,
  ClusterAdmission,
  NotOwner,
  OwnerClient,
  type Permit,
  type PermitKey,
  PermitLedger,
  type Session,
  SessionId,
  type Sync,
  type SyncAnswer
} from "../src/index.js"
import { PausableTime } from "./PausableTime.js"

/** How often the network does what, of one. */
export interface Network {
  readonly loss: number
  readonly doubling: number
  readonly lateness: number
  /** How often an owner is asked that may not be the newest. */
  readonly straying: number
}

export const goodNetwork: Network = { loss: 0, doubling: 0, lateness: 0, straying: 0 }

/** What is not as it should be: the mutants that the checks must find. */
export interface Mutation {
  readonly ledger?: (real: PermitLedger["Type"]) => PermitLedger["Type"]
  readonly told?: (sync: Sync) => Sync
  readonly answer?: (answer: SyncAnswer) => SyncAnswer
  /** Whether sandboxes are said to be gone that are not. */
  readonly reapClaimed?: boolean
}

/** A process of its own, that may stand still or be killed. */
class Machine {
  readonly time: PausableTime
  readonly process: SimulatedProcess
  private readonly whole: SimulationTime

  constructor(whole: SimulationTime) {
    this.whole = whole
    this.time = new PausableTime(whole)
    this.process = new SimulatedProcess(this.time)
  }

  /** Gives what interrupts it. */
  run<A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void = () => {}): () => void {
    const fiber = Effect.runFork(
      effect.pipe(
        Effect.withClock(this.process.clock),
        Effect.withTracerEnabled(false),
        Logger.withMinimumLogLevel(LogLevel.None)
      ),
      { scheduler: this.process.scheduler }
    )
    fiber.addObserver(then)
    return () => {
      this.run(Fiber.interruptFork(fiber))
    }
  }

  /** What an effect gives that needs no time. */
  get<A, E>(effect: Effect.Effect<A, E>): A {
    let exit: Exit.Exit<A, E> | undefined
    this.run(effect, (ended) => {
      exit = ended
    })
    this.whole.settle()
    if (exit === undefined) throw new Error("It needs time")
    if (Exit.isFailure(exit)) throw new Error(exit.cause.toString())
    return exit.value
  }
}

interface Owner {
  readonly machine: Machine
  readonly service: AdmissionOwner["Type"]
  readonly scope: Scope.CloseableScope
}

/** One life of a replica. */
export interface Replica {
  readonly machine: Machine
  readonly session: Session
  readonly admission: Admission["Type"]
  readonly scope: Scope.CloseableScope
  /** Whether the network reaches it. */
  isReached: boolean
  isStopping: boolean
  /** Whether it asks the owner before the newest, and knows of no other. */
  asksFormer: boolean
}

export interface Guest {
  readonly order: number
  readonly userId: UserId
  readonly replica: Replica
  state: "waits" | "runs" | "gone"
  /** The how many-th it was to run, of all. */
  started?: number
  refused?: string
  /** Its caller goes away. */
  leave?: () => void
}

/** Replicas, owners and a network between them, in simulated time, and an observer who sees the programs run. */
export class World {
  readonly time = new SimulationTime()
  readonly guests: Array<Guest> = []
  readonly replicas: Array<Replica> = []
  readonly violations: Array<string> = []
  network: Network
  readonly limits: { -readonly [Limit in keyof LimitValues]: LimitValues[Limit] }
  readonly random: PCGRandom
  /** Permits that are out, as the ledger has them. */
  private readonly out = new Map<string, Permit>()
  private readonly machine = new Machine(this.time)
  private readonly ledger: PermitLedger["Type"]
  private readonly mutation: Mutation
  private owners: ReadonlyArray<Owner> = []
  private started = 0

  constructor(
    limits: Partial<LimitValues>,
    {
      mutation = {},
      network = goodNetwork,
      seed = 1
    }: {
      readonly network?: Network
      readonly mutation?: Mutation
      readonly seed?: number
    } = {}
  ) {
    this.limits = { ...defaultLimits, maxQueueWait: 3600, maxQueuedPerUser: 500, ...limits }
    this.network = network
    this.random = new PCGRandom(seed)
    this.mutation = mutation
    const ledger = this.machine.get(
      Effect.map(Effect.scoped(Layer.build(PermitLedger.layerMemory)), Context.get(PermitLedger))
    )
    this.ledger = this.watched(mutation.ledger?.(ledger) ?? ledger)
  }

  private watched(ledger: PermitLedger["Type"]): PermitLedger["Type"] {
    const { out } = this
    const nameOf = ({ number, session }: PermitKey) => `${session} ${number}`
    return {
      ...ledger,
      write: (epoch, change) =>
        Effect.tap(ledger.write(epoch, change), () => {
          for (const permit of change.granted) out.set(nameOf(permit), permit)
          for (const key of change.returned) out.delete(nameOf(key))
        }),
      end: (epoch, session) =>
        Effect.tap(ledger.end(epoch, session), () => {
          for (const [name, permit] of out) if (permit.session === session) out.delete(name)
        })
    }
  }

  pass(milliseconds: number): void {
    this.time.settle()
    this.time.pass(milliseconds, () => this.violations.length === 0)
  }

  private build<A>(machine: Machine, layer: Layer.Layer<A, unknown>) {
    return machine.get(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        return { scope, context: yield* Layer.buildWithScope(layer, scope) }
      })
    )
  }

  /** Another owner begins. Those before it go on: they may stand still, or not know it yet. */
  addOwner(): void {
    const machine = new Machine(this.time)
    const layer = AdmissionOwner.layer({ reap: (session) => this.reap(session) }).pipe(
      Layer.provide(Limits.layer(this.limits)),
      Layer.provide(Layer.succeed(PermitLedger, this.ledger))
    )
    const { context, scope } = this.build(machine, layer)
    this.owners = [{ machine, scope, service: Context.get(context, AdmissionOwner) }, ...this.owners]
  }

  /** No owner that is there lives on. */
  killOwners(): void {
    for (const { machine } of this.owners) machine.process.kill()
    this.owners = []
  }

  /** The owner stands still for a while, and does not know it. */
  freezeOwner(milliseconds: number): void {
    this.freeze(this.owners[0]?.machine, milliseconds)
  }

  freeze(machine: Machine | undefined, milliseconds: number): void {
    machine?.time.pause()
    this.time.after(this.machine.process, milliseconds, () => machine?.time.goOn())
  }

  private reap({ id }: Session): Effect.Effect<boolean> {
    return Effect.sync(() => {
      const replica = this.replicas.find(({ session }) => session.id === id)
      if (this.mutation.reapClaimed === true) return true
      if (replica === undefined || replica.machine.process.isAlive) return false
      for (const guest of this.guests)
        if (guest.replica === replica && guest.state === "runs") guest.state = "gone"
      return true
    })
  }

  addReplica(instance: string): Replica {
    const machine = new Machine(this.time)
    const session = { id: SessionId.make(`session_${this.replicas.length}`), instance }
    const link = { isReached: true, isStopping: false, asksFormer: false }
    const layer = ClusterAdmission.layer({ session }).pipe(
      Layer.provide(Layer.succeed(OwnerClient, this.clientOf(machine, link))),
      Layer.provideMerge(LimitsInForce.layer),
      Layer.provide(Limits.layer(this.limits))
    )
    const { context, scope } = this.build(machine, layer)
    const replica: Replica = Object.assign(link, {
      machine,
      session,
      scope,
      admission: Context.get(context, Admission)
    })
    this.replicas.push(replica)
    return replica
  }

  private chance(of: number): boolean {
    return of > 0 && this.random.number() < of
  }

  /** Milliseconds until a message is there. */
  private get delay(): number {
    return this.chance(this.network.lateness) ? 50 + this.random.integer(4000) : 1
  }

  private clientOf(machine: Machine, link: Pick<Replica, "isReached" | "asksFormer">): OwnerClient["Type"] {
    const isLost = () => !link.isReached || this.chance(this.network.loss)
    const send = <A>(
      call: (owner: AdmissionOwner["Type"]) => Effect.Effect<A, NotOwner>
    ): Effect.Effect<A, NotOwner> =>
      Effect.async((resume) => {
        const once = () => {
          const stray = link.asksFormer || this.chance(this.network.straying) ? this.owners[1] : undefined
          const owner = stray ?? this.owners[0]
          if (owner === undefined) return resume(new NotOwner({ reason: "There is none" }))
          if (isLost()) return
          this.time.after(owner.machine.process, this.delay, () =>
            owner.machine.run(call(owner.service), (exit) => {
              if (!isLost()) machine.time.after(machine.process, this.delay, () => resume(exit))
            })
          )
        }
        once()
        if (this.chance(this.network.doubling)) once()
      })
    const { answer, told } = this.mutation
    return {
      sync: (sync) =>
        Effect.map(
          send((owner) => owner.sync(told?.(sync) ?? sync)),
          (given) => answer?.(given) ?? given
        ),
      look: (at) => send((owner) => owner.look(at)),
      adjust: (values) => send((owner) => owner.adjust(values))
    }
  }

  /** An execution comes, and runs for so many milliseconds once it may. */
  arrive(replica: Replica, user: string, milliseconds: number): Guest {
    const order = this.guests.length
    const userId = UserId.make(user)
    const guest: Guest = { order, userId, replica, state: "waits" }
    this.guests.push(guest)
    const program = Effect.async<void>((resume) => {
      this.start(guest)
      // The program is no part of the replica: it goes on when that is dead or stands still.
      this.time.after(this.machine.process, milliseconds, () => {
        guest.state = "gone"
        replica.machine.time.after(replica.machine.process, 0, () => resume(Effect.void))
      })
      return Effect.sync(() => {
        guest.state = "gone"
      })
    })
    guest.leave = replica.machine.run(
      replica.admission.withPermit(
        { executionId: ExecutionId.make(`exec_${order}`), userId },
        () => Effect.void,
        program
      ),
      (exit) => {
        guest.state = "gone"
        if (Exit.isFailure(exit)) guest.refused = exit.cause.toString()
      }
    )
    return guest
  }

  private start(guest: Guest): void {
    guest.state = "runs"
    guest.started = this.started++
    const before = this.waiting.find(
      ({ order, replica, userId }) =>
        replica === guest.replica && userId === guest.userId && order < guest.order
    )
    if (before !== undefined)
      this.violations.push(`turn: ${guest.order} of ${guest.userId} started before ${before.order}`)
    this.checkCap(this.running, this.limits.maxConcurrentSandboxes, "all")
    this.checkCap(
      this.running.filter(({ userId }) => userId === guest.userId),
      this.limits.maxSandboxesPerUser,
      guest.userId
    )
  }

  private checkCap(running: ReadonlyArray<Guest>, cap: number, whose: string): void {
    if (running.length > cap) this.violations.push(`cap: ${running.length} of ${whose} run, ${cap} may`)
  }

  leave(guest: Guest | undefined): void {
    guest?.leave?.()
  }

  /** Nothing goes wrong any more. */
  heal(): void {
    this.network = goodNetwork
    for (const replica of this.replicas) {
      replica.isReached = true
      replica.machine.time.goOn()
    }
    for (const { machine } of this.owners) machine.time.goOn()
    if (this.owners.length === 0) this.addOwner()
  }

  /** It dies at once: it tells nobody, and its programs run on. */
  kill(replica: Replica): void {
    replica.machine.process.kill()
    for (const guest of this.guests)
      if (guest.replica === replica && guest.state === "waits") guest.state = "gone"
  }

  /** It ends in order. */
  stop(replica: Replica): void {
    const { admission, machine, scope } = replica
    replica.isStopping = true
    const refusal = (executionId: ExecutionId) =>
      new ShuttingDown({ executionId, message: "It is shutting down", retryAfter: 1 })
    const others = this.guests.filter((guest) => guest.replica === replica)
    machine.run(admission.dismiss(refusal))
    for (const guest of others) this.leave(guest)
    this.time.settle()
    machine.run(Scope.close(scope, Exit.void), () => machine.process.kill())
  }

  get living(): ReadonlyArray<Replica> {
    return this.replicas.filter(({ isStopping, machine }) => machine.process.isAlive && !isStopping)
  }

  get waiting(): ReadonlyArray<Guest> {
    return this.guests.filter(({ state }) => state === "waits")
  }

  get running(): ReadonlyArray<Guest> {
    return this.guests.filter(({ state }) => state === "runs")
  }

  /** Orders of those that ran, as they began. */
  get begun(): ReadonlyArray<number> {
    return this.guests
      .filter(({ started }) => started !== undefined)
      .toSorted((a, b) => (a.started ?? 0) - (b.started ?? 0))
      .map(({ order }) => order)
  }

  /** Permits that are out, as the ledger has them. */
  get permits(): number {
    return this.out.size
  }

  /** What an effect of a replica comes to, within a second. */
  ask<A, E>(replica: Replica, effect: Effect.Effect<A, E>): Exit.Exit<A, E> | undefined {
    let exit: Exit.Exit<A, E> | undefined
    replica.machine.run(effect, (ended) => {
      exit = ended
    })
    this.pass(1000)
    return exit
  }
}
