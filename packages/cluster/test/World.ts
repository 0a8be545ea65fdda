import { ExecutionId, type Gpus, ShuttingDown, UserId } from "@bulkhead/domain"
import {
  Admission,
  defaultLimits,
  GpuSupply,
  Limits,
  LimitsInForce,
  type LimitValues
} from "@bulkhead/sandbox"
import {
  Context,
  Effect,
  Exit,
  Fiber,
  GlobalValue,
  Layer,
  Logger,
  LogLevel,
  Ref,
  Runtime,
  RuntimeFlags,
  Scope
} from "effect"
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

/** Where Effect keeps its daemons. Those of a process that was killed would stay there for ever. */
const daemons = GlobalValue.globalValue(
  Symbol.for("effect/FiberScope/Global"),
  (): { readonly roots?: Set<unknown> } => ({})
)

/** What is not as it should be: the mutants that the checks must find. */
export interface Mutation {
  /** The limits as owners of admission have them. */
  readonly limits?: (limits: LimitValues) => LimitValues
  readonly ledger?: (real: PermitLedger["Type"]) => PermitLedger["Type"]
  readonly told?: (sync: Sync) => Sync
  readonly answer?: (answer: SyncAnswer) => SyncAnswer
  /** Whether sandboxes are said to be gone that are not. */
  readonly reapClaimed?: boolean
}

/** By then the answers to all replicas are there, where nothing goes wrong, in milliseconds. */
const answerTime = 300
/** By then another owner gives permits out, once nothing goes wrong any more, in milliseconds. */
const changeTime = 5000

/** Of one history: ten times as many as come of the longest. */
const tooManyMessages = 5000

/** What a history may meet. */
export const encounters = [
  "message lost",
  "answer lost",
  "message doubled",
  "message late",
  "answer late",
  "no owner asked",
  "former owner asked",
  "owner added",
  "owner killed",
  "owner frozen",
  "owner changed between two messages",
  "replica cut off",
  "replica frozen",
  "replica killed",
  "replica stopped",
  "sandboxes of a dead replica found gone by the next",
  "sandboxes of a dead replica found gone by the owner",
  "arrival",
  "departure",
  "GPUs given",
  "GPUs of a machine wanted that are in use",
  "more GPUs wanted than a user may have",
  "more GPUs wanted than all may have",
  "owner added while GPUs are in use",
  "permit granted",
  "place queued",
  "place denied",
  "everything asked",
  "session over",
  "owner deposed"
] as const
export type Encounter = (typeof encounters)[number]

/** A process of its own, that may stand still or be killed. */
class Machine {
  readonly time: PausableTime
  readonly process: SimulatedProcess
  private readonly whole: SimulationTime
  private readonly fork: ReturnType<typeof Runtime.runFork<never>>

  constructor(whole: SimulationTime) {
    this.whole = whole
    this.time = new PausableTime(whole)
    this.process = new SimulatedProcess(this.time)
    const runtime = Effect.runSync(
      Effect.runtime().pipe(
        Effect.withClock(this.process.clock),
        Effect.withTracerEnabled(false),
        Logger.withMinimumLogLevel(LogLevel.None)
      )
    )
    // Nobody reads the metrics of fibers here, and they take as long as all the rest.
    this.fork = Runtime.runFork(Runtime.disableRuntimeFlag(runtime, RuntimeFlags.RuntimeMetrics))
  }

  /** Gives what interrupts it. */
  run<A, E>(effect: Effect.Effect<A, E>, then: (exit: Exit.Exit<A, E>) => void = () => {}): () => void {
    const fiber = this.fork(effect, { scheduler: this.process.scheduler })
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
  readonly arrivedAt: number
  readonly userId: UserId
  readonly gpus?: Gpus
  readonly replica: Replica
  state: "waits" | "runs" | "gone"
  /** The how many-th it was to run, of all. */
  started?: number
  refused?: string
  /** Since when its place in the queue is known to its replica, for its next owner. */
  ticketAt?: number
  /** Its caller goes away. */
  leave?: () => void
}

const idOf = (order: number) => ExecutionId.make(`exec_${order}`)
const countOf = (all: ReadonlyArray<{ readonly gpus?: Gpus }>) =>
  all.reduce((sum, { gpus }) => sum + (gpus?.count ?? 0), 0)
const orderOf = (id: ExecutionId) => Number(id.slice("exec_".length))

/** Replicas, owners and a network between them, in simulated time, and an observer who sees the programs run. */
export class World {
  readonly time = new SimulationTime()
  readonly guests: Array<Guest> = []
  readonly replicas: Array<Replica> = []
  readonly violations: Array<string> = []
  readonly met = new Set<Encounter>()
  network: Network
  /** Whether first come must be first served over all replicas: nothing may go wrong but for changes of owner. */
  isOrderKept = false
  readonly limits: { -readonly [Limit in keyof LimitValues]: LimitValues[Limit] }
  readonly random: PCGRandom
  /** What each machine has, by the name of its replica. */
  readonly machineGpus: Map<string, ReadonlyArray<Gpus>>
  /** Permits that are out, as the ledger has them. */
  private readonly out = new Map<string, Permit>()
  private readonly machine = new Machine(this.time)
  private readonly ledger: PermitLedger["Type"]
  private readonly daemonsBefore = new Set(daemons.roots)
  private readonly mutation: Mutation
  private owners: ReadonlyArray<Owner> = []
  private started = 0
  private isOwnerBeginning = false
  private idleSince: number | undefined
  private messages = 0
  private change: { readonly at: number; readonly act: () => void } | undefined

  constructor(
    limits: Partial<LimitValues>,
    {
      gpus = {},
      mutation = {},
      network = goodNetwork,
      seed = 1
    }: {
      readonly gpus?: Readonly<Record<string, ReadonlyArray<Gpus>>>
      readonly network?: Network
      readonly mutation?: Mutation
      readonly seed?: number
    } = {}
  ) {
    this.limits = { ...defaultLimits, maxQueueWait: 3600, maxQueuedPerUser: 500, ...limits }
    this.machineGpus = new Map(Object.entries(gpus))
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
          this.checkPermits()
        }),
      end: (epoch, session) =>
        Effect.tap(ledger.end(epoch, session), () => {
          for (const [name, permit] of out) if (permit.session === session) out.delete(name)
        })
    }
  }

  /** Lets time pass, until something is violated or there is nothing to wait for. */
  pass(milliseconds: number, isDone: () => boolean = () => false): void {
    this.time.settle()
    this.time.pass(milliseconds, () => this.violations.length === 0 && !isDone())
  }

  /** Ends everything, and leaves nothing behind in this process. */
  bury(): void {
    for (const { machine } of this.owners) machine.process.kill()
    for (const { machine } of this.replicas) machine.process.kill()
    for (const fiber of daemons.roots ?? []) if (!this.daemonsBefore.has(fiber)) daemons.roots?.delete(fiber)
  }

  /** Does something just before so many more messages are sent. */
  beforeMessage(count: number, act: () => void): void {
    this.change = { at: this.messages + count, act }
  }

  private countMessage(): void {
    if (++this.messages === tooManyMessages) this.violations.push("restless: they never stop asking")
    const { change } = this
    if (change === undefined || this.messages < change.at) return
    this.change = undefined
    this.met.add("owner changed between two messages")
    change.act()
  }

  private build<A, R>(machine: Machine, layer: Layer.Layer<A, unknown, R>, needs: Context.Context<R>) {
    return machine.get(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        return { scope, context: yield* Effect.provide(Layer.buildWithScope(layer, scope), needs) }
      })
    )
  }

  /** Another owner begins. Those before it go on: they may stand still, or not know it yet. */
  addOwner(): void {
    // At one instant only one begins: which of two is the newer would depend on who has been built first.
    if (this.isOwnerBeginning) return
    this.isOwnerBeginning = true
    const machine = new Machine(this.time)
    const limits = this.mutation.limits?.(this.limits) ?? { ...this.limits }
    const { context, scope } = this.build(
      machine,
      AdmissionOwner.layer({ reap: (session) => this.reap(session) }),
      Context.make(Limits, limits).pipe(Context.add(PermitLedger, this.ledger))
    )
    this.isOwnerBeginning = false
    this.met.add("owner added")
    if (countOf([...this.out.values()]) > 0) this.met.add("owner added while GPUs are in use")
    const [former, ...older] = this.owners
    for (const { machine } of older) machine.process.kill()
    this.owners = [
      { machine, scope, service: Context.get(context, AdmissionOwner) },
      ...(former === undefined ? [] : [former])
    ]
  }

  /** No owner that is there lives on. */
  killOwners(): void {
    if (this.owners.length > 0) this.met.add("owner killed")
    for (const { machine } of this.owners) machine.process.kill()
    this.owners = []
  }

  /** The owner stands still for a while, and does not know it. */
  freezeOwner(milliseconds: number): void {
    this.met.add("owner frozen")
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
      this.endPrograms(replica)
      this.met.add("sandboxes of a dead replica found gone by the owner")
      return true
    })
  }

  private endPrograms(replica: Replica): void {
    for (const guest of this.guests)
      if (guest.replica === replica && guest.state === "runs") guest.state = "gone"
  }

  /** Begins where another one died, and makes sure that none of its sandboxes is left. */
  succeed(dead: Replica): Replica {
    if (this.mutation.reapClaimed !== true) this.endPrograms(dead)
    this.met.add("sandboxes of a dead replica found gone by the next")
    return this.addReplica(dead.session.instance, [dead.session.id])
  }

  addReplica(instance: string, dead: ReadonlyArray<SessionId> = []): Replica {
    const machine = new Machine(this.time)
    const session = { id: SessionId.make(`session_${this.replicas.length}`), instance }
    const link = { isReached: true, isStopping: false, asksFormer: false }
    const { context, scope } = this.build(
      machine,
      ClusterAdmission.layer({ session, dead }),
      Context.make(OwnerClient, this.clientOf(machine, link)).pipe(
        Context.add(LimitsInForce, Ref.unsafeMake<LimitValues>({ ...this.limits })),
        Context.add(GpuSupply, this.machineGpus.get(instance) ?? [])
      )
    )
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
  private delay(late: Encounter): number {
    if (!this.chance(this.network.lateness)) return 1
    this.met.add(late)
    return 50 + this.random.integer(4000)
  }

  private isLost(link: Pick<Replica, "isReached">, lost: Encounter): boolean {
    if (link.isReached && !this.chance(this.network.loss)) return false
    this.met.add(lost)
    return true
  }

  /** Who is asked: now and then one that may not be the newest. */
  private asked({ asksFormer }: Pick<Replica, "asksFormer">): Owner | undefined {
    const former = asksFormer || this.chance(this.network.straying) ? this.owners[1] : undefined
    if (former !== undefined) this.met.add("former owner asked")
    return former ?? this.owners[0]
  }

  private clientOf(machine: Machine, link: Pick<Replica, "isReached" | "asksFormer">): OwnerClient["Type"] {
    const send = <A>(
      call: (owner: AdmissionOwner["Type"]) => Effect.Effect<A, NotOwner>
    ): Effect.Effect<A, NotOwner> =>
      Effect.async((resume) => {
        const once = () => {
          this.countMessage()
          const owner = this.asked(link)
          if (owner === undefined) {
            this.met.add("no owner asked")
            return resume(new NotOwner({ reason: "There is none" }))
          }
          if (this.isLost(link, "message lost")) return
          this.time.after(owner.machine.process, this.delay("message late"), () =>
            owner.machine.run(call(owner.service), (exit) => {
              if (Exit.isFailure(exit)) this.met.add("owner deposed")
              if (this.isLost(link, "answer lost")) return
              machine.time.after(machine.process, this.delay("answer late"), () => resume(exit))
            })
          )
        }
        once()
        if (!this.chance(this.network.doubling)) return
        this.met.add("message doubled")
        once()
      })
    const { answer, told } = this.mutation
    return {
      sync: (sync) => {
        this.noteTickets(sync)
        return Effect.map(
          send((owner) => {
            const sent = told?.(sync) ?? sync
            return owner.sync(sent)
          }),
          (given) => {
            this.noteAnswer(given)
            return answer?.(given) ?? given
          }
        )
      },
      look: (at) => send((owner) => owner.look(at)),
      adjust: (values) => send((owner) => owner.adjust(values))
    }
  }

  private noteTickets({ places }: Sync): void {
    for (const { executionId, ticket } of places) {
      const guest = ticket === undefined ? undefined : this.guests[orderOf(executionId)]
      if (guest !== undefined) guest.ticketAt ??= this.time.now
    }
  }

  private noteAnswer(given: SyncAnswer): void {
    if (given._tag === "Unknown") this.met.add("everything asked")
    if (given._tag === "Over") this.met.add("session over")
    if (given._tag !== "Answer") return
    if (given.granted.length > 0) this.met.add("permit granted")
    if (given.queued.length > 0) this.met.add("place queued")
    if (given.denied.length > 0) this.met.add("place denied")
  }

  /** An execution comes, and runs for so many milliseconds once it may. */
  arrive(replica: Replica, user: string, milliseconds: number, gpus?: Gpus): Guest {
    this.met.add("arrival")
    const order = this.guests.length
    const who = { userId: UserId.make(user), ...(gpus && { gpus }) }
    const guest: Guest = { ...who, order, arrivedAt: this.time.now, replica, state: "waits" }
    for (const [, encounter] of this.lacking(guest, this.running)) this.met.add(encounter)
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
      replica.admission.withPermit({ executionId: idOf(order), ...who }, () => Effect.void, program),
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
    this.checkGpus(guest)
    if (this.isOrderKept) this.checkOrder(guest)
  }

  /** Which caps of GPUs do not allow it what it wants, beside the others. */
  private lacking(
    { gpus, replica, userId }: Guest,
    others: ReadonlyArray<Guest>
  ): ReadonlyArray<readonly [cap: string, Encounter]> {
    if (gpus === undefined) return []
    const { count, kind } = gpus
    const { instance } = replica.session
    const isBeside = (guest: Guest) =>
      guest.replica.session.instance === instance && guest.gpus?.kind === kind
    const present = this.machineGpus.get(instance)?.find((each) => each.kind === kind)?.count ?? 0
    const after = (these: ReadonlyArray<Guest>) => countOf(these) + count
    const ofUser = others.filter((guest) => guest.userId === userId)
    return [
      ...(after(others.filter(isBeside)) > present
        ? [["machine gpus", "GPUs of a machine wanted that are in use"] as const]
        : []),
      ...(after(ofUser) > this.limits.maxGpusPerUser
        ? [["user gpus", "more GPUs wanted than a user may have"] as const]
        : []),
      ...(after(others) > this.limits.maxGpus
        ? [["all gpus", "more GPUs wanted than all may have"] as const]
        : [])
    ]
  }

  private checkGpus(guest: Guest): void {
    const { gpus, order, replica, userId } = guest
    if (gpus === undefined) return
    this.met.add("GPUs given")
    const others = this.running.filter((other) => other !== guest)
    for (const [cap] of this.lacking(guest, others))
      this.violations.push(
        `${cap}: ${order} of ${userId} at ${replica.session.instance} got ${gpus.count} too many`
      )
  }

  private checkPermits(): void {
    const { maxConcurrentSandboxes: cap, maxGpus } = this.limits
    const permits = [...this.out.values()]
    if (permits.length > cap) this.violations.push(`ledger: ${permits.length} permits are out, ${cap} may be`)
    if (countOf(permits) > maxGpus)
      this.violations.push(`ledger: ${countOf(permits)} GPUs are out, ${maxGpus} may be`)
  }

  /** Those whose places in the queue were known before this one came must have begun when it has, over all replicas. */
  private checkOrder({ arrivedAt, userId }: Guest): void {
    const before = this.waiting.filter(
      ({ ticketAt, userId: other }) => other === userId && ticketAt !== undefined && ticketAt < arrivedAt
    )
    this.time.after(this.machine.process, answerTime, () => {
      const passed = before.find(({ state }) => state === "waits")
      if (passed !== undefined) this.violations.push(`order: ${passed.order} of ${userId} was overtaken`)
    })
  }

  /** Fails when somebody could run and has waited for it for long, though nothing goes wrong. */
  checkIdle(): void {
    if (!this.canSomebodyRun) this.idleSince = undefined
    else this.idleSince ??= this.time.now
    if (this.time.now - (this.idleSince ?? this.time.now) > changeTime)
      this.violations.push(`idle: a permit is free for ${changeTime} ms, and somebody waits`)
  }

  private get canSomebodyRun(): boolean {
    const { maxConcurrentSandboxes, maxSandboxesPerUser } = this.limits
    const holds = (userId: UserId) =>
      [...this.out.values()].filter((permit) => permit.userId === userId).length
    if (this.out.size >= maxConcurrentSandboxes) return false
    const eligible = this.waiting.filter(({ userId }) => holds(userId) < maxSandboxesPerUser)
    // Who waits for GPUs holds up its user's others, and those who want them later.
    const wantGpus = new Set(eligible.flatMap(({ gpus, userId }) => (gpus ? [userId] : [])))
    return (
      eligible.some(({ userId }) => !wantGpus.has(userId)) ||
      (eligible.length > 0 && eligible.every((guest) => this.lacking(guest, this.holders).length === 0))
    )
  }

  /** Whose permits are out, as the ledger has them. */
  private get holders(): ReadonlyArray<Guest> {
    return [...this.out.values()].flatMap(({ executionId }) => this.guests[orderOf(executionId)] ?? [])
  }

  private checkCap(running: ReadonlyArray<Guest>, cap: number, whose: string): void {
    if (running.length > cap) this.violations.push(`cap: ${running.length} of ${whose} run, ${cap} may`)
  }

  leave(guest: Guest | undefined): void {
    if (guest !== undefined) this.met.add("departure")
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

  /** The network does not reach it for a while. */
  cutOff(replica: Replica, milliseconds: number): void {
    this.met.add("replica cut off")
    replica.isReached = false
    this.time.after(this.machine.process, milliseconds, () => {
      replica.isReached = true
    })
  }

  freezeReplica({ machine }: Replica, milliseconds: number): void {
    this.met.add("replica frozen")
    this.freeze(machine, milliseconds)
  }

  /** It dies at once: it tells nobody, and its programs run on. */
  kill(replica: Replica): void {
    this.met.add("replica killed")
    replica.machine.process.kill()
    for (const guest of this.guests)
      if (guest.replica === replica && guest.state === "waits") guest.state = "gone"
  }

  /** Does something later, whatever dies or stands still meanwhile. */
  afterwards(milliseconds: number, act: () => void): void {
    this.time.after(this.machine.process, milliseconds, act)
  }

  /** It ends in order. */
  stop(replica: Replica): void {
    this.met.add("replica stopped")
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

  /** What an effect of a replica comes to, within so many milliseconds. */
  ask<A, E>(replica: Replica, effect: Effect.Effect<A, E>, within = 1000): Exit.Exit<A, E> | undefined {
    let exit: Exit.Exit<A, E> | undefined
    replica.machine.run(effect, (ended) => {
      exit = ended
    })
    this.pass(within)
    return exit
  }
}
