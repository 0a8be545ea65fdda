import { ValidatingArtifactCollector } from "@bulkhead/artifacts"
import {
  ExecutionId,
  type ExecutionNotFound,
  type ExecutionRequestInput,
  type ExecutionResult,
  type ExecutionUpdate,
  type Refusal,
  type UpdateId,
  UserId
} from "@bulkhead/domain"
import {
  Admission,
  ExecutionStore,
  GpuSupply,
  GuestProgram,
  IdempotencyKeys,
  InstanceName,
  Limits,
  MemoryExecutionStore,
  Outbox,
  SandboxProvider,
  SandboxService,
  SandboxSupply,
  type StoreFailure,
  Toolchain,
  UserWebhooks
} from "@bulkhead/sandbox"
import { Receiver, WebhookSender } from "@bulkhead/webhooks"
import {
  Cause,
  Context,
  Effect,
  Exit,
  type Fiber,
  FiberId,
  FiberRef,
  GlobalValue,
  HashSet,
  identity,
  Layer,
  Logger,
  LogLevel,
  Option,
  Random,
  Runtime,
  Scope,
  Stream,
  Supervisor
} from "effect"
import { describeFault, Faults, type MetFault } from "./Faults.js"
import { type Behaviour, Cloud, type CloudSandbox, currentSubject } from "./FaultySandboxProvider.js"
import * as SimulatedAnalyzer from "./SimulatedAnalyzer.js"
import * as SimulatedNetwork from "./SimulatedNetwork.js"
import { SimulatedReceivers } from "./SimulatedReceivers.js"
import {
  describeSetting,
  describeStep,
  generate,
  type History,
  type Step,
  type Way
} from "./SimulationHistory.js"
import { beginning, SimulatedProcess, SimulationTime } from "./SimulationTime.js"
import { type Case, type Invariant, SimulationWatch, type Violation } from "./SimulationWatch.js"

/** The two ways of a sandbox: with our program in it, and without. What it consists of is nothing to the simulation. */
const programs = {
  none: GuestProgram.Absent(),
  user: GuestProgram.Sent({ user: "user", directory: "/tmp", packed: "" })
}

export type { Invariant, Violation }

/** Parts of the service that are not what they should be: the mutants that the simulation must find. */
export interface Parts {
  readonly admission?: (real: Admission["Type"]) => Admission["Type"]
  readonly supply?: (real: SandboxSupply["Type"]) => SandboxSupply["Type"]
  readonly provider?: (real: SandboxProvider["Type"]) => SandboxProvider["Type"]
  readonly store?: (real: ExecutionStore["Type"]) => ExecutionStore["Type"]
  readonly outbox?: (real: Outbox["Type"]) => Outbox["Type"]
  readonly service?: (real: SandboxService["Type"]) => SandboxService["Type"]
}

/** How one simulation went. */
export interface Outcome {
  readonly history: History
  /** Absent: every invariant held. */
  readonly violation?: Violation
  readonly faults: ReadonlyArray<MetFault>
  /** Executions that ended, as far as their life lasted. */
  readonly ended: number
  /** Every kind of event that was written. */
  readonly events: ReadonlySet<string>
  /** What happened, in lines for people. */
  readonly trace: ReadonlyArray<string>
}

type Services = SandboxService | Admission

/** Fibers that have begun and not ended. */
class LiveFibers extends Supervisor.AbstractSupervisor<number> {
  readonly all = new Set<Fiber.RuntimeFiber<unknown, unknown>>()
  override value = Effect.sync(() => this.all.size)
  override onStart<A, E, R>(
    _context: unknown,
    _effect: Effect.Effect<A, E, R>,
    _parent: unknown,
    fiber: Fiber.RuntimeFiber<A, E>
  ): void {
    this.all.add(fiber)
  }
  override onEnd<A, E>(_exit: Exit.Exit<A, E>, fiber: Fiber.RuntimeFiber<A, E>): void {
    this.all.delete(fiber)
  }
}

/** Where Effect keeps its daemons. Those of a process that was killed would stay there for ever. */
const daemons = GlobalValue.globalValue<{ readonly roots?: Set<unknown> }>(
  Symbol.for("effect/FiberScope/Global"),
  () => ({})
)

/** One life of the service. */
interface Life {
  readonly process: SimulatedProcess
  readonly fibers: LiveFibers
  readonly scope: Scope.CloseableScope
  readonly runtime: Runtime.Runtime<Services>
  readonly callers: Map<number, Fiber.RuntimeFiber<unknown, unknown>>
  /** Present: it is being shut down, and must be by then. */
  closed?: { readonly fiber: Fiber.RuntimeFiber<void>; readonly by: number }
}

const python = {
  language: "python",
  version: "python 3.11.2",
  file: "main.py",
  command: "python3 main.py"
} as const

/** How long a fresh service takes to come to rest when nothing goes wrong. */
const restTime = 2500

/** By then every call that nobody waits for has had its effect. Milliseconds. */
const slowestCall = 5000

/** The longest pause between two tries to send a message. Seconds. */
const longestPause = 5000

/** After these a reader is told nothing more. */
const lastUpdates: ReadonlySet<string | undefined> = new Set(["result", "ended", "closing"])

/** How long the last fibers may take to end once the service is shut down. Seconds. */
const lastThings = 120

const changed =
  <I, S>(tag: Context.Tag<I, S>, change: ((real: S) => S) | undefined) =>
  <E, R>(layer: Layer.Layer<I, E, R>): Layer.Layer<I, E, R> =>
    change === undefined
      ? layer
      : Layer.map(layer, (context) => Context.make(tag, change(Context.get(context, tag))))

const userIdOf = (user: string) => UserId.make(user)

/** One history, from the start of the service to its end. */
class Simulation {
  private readonly history: History
  private readonly parts: Parts
  private readonly time = new SimulationTime()
  private readonly faults: Faults
  private readonly cloud: Cloud
  private readonly receivers: SimulatedReceivers
  private readonly watch: SimulationWatch
  private readonly random: Random.Random
  private readonly trace: Array<() => string> = []
  private readonly behaviours = new Map<string, Behaviour>()
  private readonly lives: Array<Life> = []
  private life: Life
  /** Fibers of a service that has nothing to do. */
  private fibersAtRest = 0

  constructor(history: History, parts: Parts) {
    this.history = history
    this.parts = parts
    this.random = Random.make(history.seed)
    this.faults = new Faults({
      seed: history.seed,
      percent: history.faultPercent,
      spared: history.spared
    })
    this.watch = new SimulationWatch(this.time, history.limits, (id) => this.cloud.sandboxes.has(id))
    this.cloud = new Cloud({
      time: this.time,
      faults: this.faults,
      behaviourOf: (code) => this.behaviours.get(code) ?? { _tag: "Sleeps" },
      interruptibleCreates: history.interruptibleCreates,
      events: {
        onProgramStart: (run) => {
          this.note(() => `program of ${run.code} starts in ${run.sandbox.id}`)
          this.watch.programStarted(run)
        },
        onExpired: (sandbox) => {
          this.note(() => `${sandbox.id} expires`)
          if (sandbox.excuse === undefined) this.watch.fail("nothing left", `${sandbox.id} was never ended`)
        }
      }
    })
    this.receivers = new SimulatedReceivers({
      time: this.time,
      faults: this.faults,
      onTaken: (post) => {
        this.note(() => `${post.url} takes ${post.headers["webhook-id"]}`)
        this.watch.taken(post)
      }
    })
    this.faults.isCalm = true
    this.life = this.boot()
  }

  run(): Outcome {
    this.pass(restTime)
    this.fibersAtRest = this.life.fibers.all.size
    this.faults.isCalm = false
    for (const step of this.history.steps) {
      if (this.watch.violation) break
      this.note(() => describeStep(step))
      this.take(step)
      this.settle()
      if (step._tag === "Pass") this.checkBooks()
    }
    this.finish()
    this.bury()
    const { cases, violation } = this.watch
    return {
      history: this.history,
      ...(violation ? { violation } : {}),
      faults: this.faults.met,
      events: new Set(
        [...cases.values()].flatMap(({ events, settled }) =>
          [...events, ...settled].map(({ event }) => event)
        )
      ),
      ended: [...cases.values()].filter(({ endedAt }) => endedAt !== undefined).length,
      trace: this.trace.map((line) => line())
    }
  }

  private note(line: () => string): void {
    const at = this.time.now - beginning
    this.trace.push(() => `${String(at).padStart(7)}  ${line()}`)
  }

  private settle(): boolean {
    if (!this.time.settle()) this.watch.fail("deadlines", "the service never comes to rest")
    return this.watch.check(this.cloud)
  }

  private pass(milliseconds: number): void {
    this.time.pass(milliseconds, () => this.settle() && this.reopen())
    if (this.settle()) this.reopen()
  }

  /** Lets seconds go by until something is so. Whether it is. */
  private passUntil(seconds: number, isSo: () => boolean): boolean {
    for (let left = seconds; left > 0 && !this.watch.violation; left--) {
      if (isSo()) return true
      this.pass(1000)
    }
    return isSo()
  }

  private boot(): Life {
    const process = new SimulatedProcess(this.time)
    const fibers = new LiveFibers()
    const scope = Effect.runSync(Scope.make())
    const start = Layer.toRuntime(this.layer(process)).pipe(
      Scope.extend(scope),
      Effect.withRandom(this.random),
      Effect.withClock(process.clock),
      Effect.supervised(fibers),
      Effect.locally(FiberRef.currentMinimumLogLevel, LogLevel.Error),
      Effect.locally(FiberRef.currentLoggers, HashSet.make(this.logger))
    )
    const started = Effect.runFork(start, { scheduler: process.scheduler })
    this.time.settle()
    const exit = started.unsafePoll()
    if (exit === null || Exit.isFailure(exit)) throw new Error(`the service did not start: ${exit?.cause}`)
    this.watch.began()
    const life = { process, fibers, scope, runtime: exit.value, callers: new Map() }
    this.lives.push(life)
    return life
  }

  private readonly logger = Logger.make(({ cause, message }) =>
    this.note(() => `logged: ${String(message)} ${Cause.pretty(cause)}`)
  )

  private layer(process: SimulatedProcess): Layer.Layer<Services> {
    const { limits, supervisor } = this.history
    const { admission, provider, service, store, supply } = this.parts
    const record = changed(ExecutionStore, store)(this.store)
    const outside = Layer.mergeAll(
      Layer.succeed(Limits, limits),
      Layer.succeed(InstanceName, "simulation"),
      IdempotencyKeys.layerMemory(),
      ValidatingArtifactCollector.layerMemory,
      SimulatedAnalyzer.layer,
      SimulatedNetwork.rules,
      Toolchain.layerTest({
        supervisor: programs[supervisor],
        size: { vcpus: 2, memoryMB: 512 },
        runtimes: [python]
      }),
      record,
      this.sender(process).pipe(Layer.provide(record)),
      changed(SandboxProvider, provider)(Layer.succeed(SandboxProvider, this.cloud.connect(process)))
    )
    return changed(
      SandboxService,
      service
    )(SandboxService.layerBare).pipe(
      Layer.provideMerge(changed(Admission, admission)(Layer.provide(Admission.layer, GpuSupply.layer))),
      Layer.provide(changed(SandboxSupply, supply)(SandboxSupply.layer)),
      Layer.provide(outside)
    )
  }

  /** The record and what of it is to be sent, which outlive the service. */
  private readonly memory = Effect.runSync(Effect.scoped(Layer.build(MemoryExecutionStore.layer())))
  private readonly record = Context.get(this.memory, ExecutionStore)

  /** Sends messages to webhooks, in a history that has any. */
  private sender(process: SimulatedProcess): Layer.Layer<never, never, ExecutionStore> {
    const { patience } = this.history
    if (patience === undefined) return Layer.empty
    return WebhookSender.layerTo({ patience: `${patience} seconds` }).pipe(
      Layer.provide(
        Layer.mergeAll(
          changed(Outbox, this.parts.outbox)(Layer.succeed(Outbox, Context.get(this.memory, Outbox))),
          Layer.succeed(UserWebhooks, Context.get(this.memory, UserWebhooks)),
          Layer.succeed(Receiver, this.receivers.connect(process))
        )
      )
    )
  }

  private readonly store = Layer.succeed(
    ExecutionStore,
    ExecutionStore.of({
      ...this.record,
      append: (entries) =>
        Effect.flatMap(FiberRef.get(currentSubject), (subject) => {
          for (const entry of entries) {
            if (entry._tag === "Began") this.watch.known(Number(subject), entry.execution)
            if (entry._tag === "Happened") {
              const { event, executionId, message } = entry.event
              this.note(() => `${executionId}: ${event} (${message})`)
              this.watch.happened(entry.event)
            }
          }
          return this.record.append(entries)
        }),
      unfinished: Effect.sync(() => this.watch.unfinished)
    })
  )

  /** Runs something in the life that is on, as part of this case. */
  private fork<A, E>(effect: Effect.Effect<A, E, Services>, id = 0): Fiber.RuntimeFiber<A, E> {
    const { process, runtime } = this.life
    return Runtime.runFork(runtime)(Effect.locally(effect, currentSubject, String(id)), {
      scheduler: process.scheduler
    })
  }

  /** What something gives that needs no time. */
  private now<A, E>(effect: Effect.Effect<A, E, Services>): Option.Option<A> {
    const fiber = this.fork(effect)
    this.time.settle()
    const exit = fiber.unsafePoll()
    return exit !== null && Exit.isSuccess(exit) ? Option.some(exit.value) : Option.none()
  }

  private take(step: Step) {
    switch (step._tag) {
      case "Submit":
        return this.submit(step)
      case "Begin":
        return this.begin(step)
      case "Finish":
        return this.withCase(step.id, ({ executionId }) => {
          if (executionId) this.fork(Effect.flatMap(SandboxService, (it) => it.endExecution(executionId)))
        })
      case "Kill":
        return this.withCase(step.id, (one) => {
          const { executionId } = one
          if (executionId === undefined) return
          this.watch.ending(one)
          this.fork(Effect.flatMap(SandboxService, (service) => service.killExecution(executionId)))
        })
      case "Leave":
        return this.withCase(step.id, (one) => {
          if (one.isWork) return
          if (one.isOnItsOwn) return this.readAnew(one)
          this.watch.ending(one)
          this.life.callers.get(step.id)?.unsafeInterruptAsFork(FiberId.none)
        })
      case "Pass":
        return this.pass(step.milliseconds)
      case "Outage":
        this.faults.outageUntil = this.time.now + step.milliseconds
        return
      case "Adjust":
        return this.adjust(step.inAll, step.perUser)
      case "Crash":
        return this.crash()
      case "Restart":
        return this.shutDown()
    }
  }

  /** Of a case that the life that is on has in its hands. */
  private withCase(id: number, act: (one: Case) => void): void {
    const one = this.watch.cases.get(id)
    if (one && one.endedAt === undefined && !one.isLost && one.life === this.watch.life) act(one)
  }

  private submit(step: Extract<Step, { readonly _tag: "Submit" }>): void {
    const { behaviour, gpus = 0, hasFiles, id, retryOnFailure, timeout, user } = step
    const code = String(id)
    this.behaviours.set(code, behaviour)
    const one = this.watch.asked({
      id,
      user,
      isWork: false,
      timeoutMs: timeout * 1000,
      mayRunAgain: retryOnFailure,
      gpus,
      ...(step.webhook ? { webhook: step.webhook } : {}),
      ...(step.reader ? { reader: step.reader } : {})
    })
    const files = hasFiles ? [{ path: "in.txt", content: "in" }] : []
    const webhook = step.webhook && { url: `https://receiver.example.com/${id}`, events: step.webhook }
    const network = SimulatedNetwork.requestOf(id)
    const request = {
      ...{ code, userId: user, timeout, retryOnFailure, files, network },
      secrets: SimulatedNetwork.secretsOf(id),
      ...(webhook && { webhook }),
      ...(gpus > 0 && { gpu: { count: gpus } })
    }
    this.answer(one, this.asking(step.way, one, request))
  }

  /** Has a case answered by what comes of this. */
  private answer(one: Case, asking: Effect.Effect<ExecutionResult, Refusal, SandboxService>): void {
    const { callers } = this.life
    const { id } = one
    const caller = this.fork(asking, id)
    callers.set(id, caller)
    caller.addObserver((exit) => {
      if (callers.get(id) !== caller) return
      callers.delete(id)
      if (one.isDismissed) return
      this.note(
        () => `${id} is answered: ${Exit.isSuccess(exit) ? exit.value.verdict : Cause.pretty(exit.cause)}`
      )
      this.watch.answered(one, exit, this.cloud)
    })
  }

  private asking(
    way: Way,
    one: Case,
    request: ExecutionRequestInput
  ): Effect.Effect<ExecutionResult, Refusal, SandboxService> {
    return Effect.flatMap(SandboxService, (service) => {
      switch (way) {
        case "execute":
          return service.execute(request)
        case "stream":
          return this.reading(one, () => service.stream(request))
        case "submit":
          return Effect.flatMap(service.submit(request), ({ executionId }) => {
            one.isOnItsOwn = true
            return this.reading(one, (after) => service.updates(executionId, { after }))
          })
      }
    })
  }

  /** Reads to the end, over as many connections as it takes. A service that shuts down may send its readers away. */
  private reading(
    one: Case,
    connect: (after?: UpdateId) => Stream.Stream<ExecutionUpdate, Refusal | ExecutionNotFound | StoreFailure>
  ): Effect.Effect<ExecutionResult, Refusal, SandboxService> {
    const { life } = this
    const { cutAfter, pause = 0 } = one.reader ?? {}
    const all: Array<ExecutionUpdate> = []
    one.seen = all
    const connection = Stream.suspend(() => connect(all.at(-1)?.id)).pipe(
      cutAfter === undefined ? identity : Stream.take(cutAfter),
      Stream.runForEach((update) => {
        all.push(update)
        return pause === 0 ? Effect.void : Effect.sleep(pause)
      })
    )
    const isOver = () => lastUpdates.has(all.at(-1)?.type)
    return Effect.repeat(connection, { until: () => cutAfter === undefined || isOver() }).pipe(
      Effect.flatMap(() => {
        this.watch.read(one, all)
        const last = all.at(-1)
        if (last?.type === "result") return Effect.succeed(last.result)
        one.isDismissed = last?.type === "closing" && life.closed !== undefined
        return Effect.dieMessage(`its last update is ${last?.type}`)
      }),
      Effect.catchTags({ ExecutionNotFound: Effect.die, StoreFailure: Effect.die })
    )
  }

  /** The reader of a submitted execution goes, and another comes. */
  private readAnew(one: Case): void {
    const { executionId, id } = one
    const reader = this.life.callers.get(id)
    if (reader === undefined || executionId === undefined) return
    this.life.callers.delete(id)
    reader.unsafeInterruptAsFork(FiberId.none)
    this.answer(
      one,
      Effect.flatMap(SandboxService, (service) =>
        this.reading(one, (after) => service.updates(executionId, { after }))
      )
    )
  }

  /** Who reads on of an execution whose service died is told that it has ended, and nothing again. */
  private checkLost(): void {
    for (const one of this.watch.cases.values()) {
      const { executionId, id, isLost, isOnItsOwn, seen } = one
      if (!isLost || !isOnItsOwn || executionId === undefined || seen.at(-1)?.type === "result") continue
      const after = seen.at(-1)?.id
      const rest = this.now(
        Effect.flatMap(SandboxService, (service) =>
          Stream.runCollect(service.updates(executionId, { after }))
        )
      )
      const all = [...seen, ...Option.getOrElse(rest, () => [])]
      this.watch.read(one, all)
      const type = all.at(-1)?.type
      // Of what was turned away there is no result to be kept.
      const wanted = one.events.at(-1)?.event === "execution_rejected" ? ["result", "ended"] : ["result"]
      if (type === undefined || !wanted.includes(type))
        this.watch.fail("one answer", `readers of ${id} are told ${type} in the end`)
    }
  }

  private begin({ id, timeout, user }: Extract<Step, { readonly _tag: "Begin" }>): void {
    this.watch.asked({ id, user, isWork: true, timeoutMs: timeout * 1000, mayRunAgain: false })
    const start = Effect.flatMap(SandboxService, (service) =>
      service.startExecution(ExecutionId.make(`work_${id}`), userIdOf(user), timeout)
    )
    this.fork(start, id)
  }

  private adjust(inAll: number, perUser: number): void {
    const changes = { maxConcurrentSandboxes: inAll, maxSandboxesPerUser: perUser }
    this.watch.adjusted(inAll, perUser)
    this.fork(Effect.flatMap(SandboxService, (service) => service.changeLimits(changes)))
  }

  private crash(): void {
    this.life.process.kill()
    this.cloud.crashed(this.life.process)
    this.watch.crashed()
    this.life = this.boot()
  }

  private shutDown(): void {
    if (this.life.closed) return
    const { shutdown } = this.watch.bounds
    this.watch.closing(this.time.now + this.watch.bounds.stop)
    const closed = this.fork(Scope.close(this.life.scope, Exit.void))
    this.life.closed = { fiber: closed, by: this.time.now + shutdown }
  }

  /** Starts the service again once it has been shut down. */
  private reopen(): boolean {
    const { closed, process } = this.life
    if (closed === undefined || this.isFinishing) return true
    if (closed.fiber.unsafePoll() === null) {
      if (this.time.now > closed.by) this.watch.fail("deadlines", "the service does not shut down")
      return !this.watch.violation
    }
    this.cloud.crashed(process)
    this.life = this.boot()
    return !this.watch.violation
  }

  private isFinishing = false

  private checkBooks() {
    const metrics = this.now(Effect.flatMap(SandboxService, (service) => service.getSystemMetrics))
    if (Option.isNone(metrics)) return this.watch.fail("books", "the service does not say how it is")
    const { activeExecutions, gpusInUse, queuedExecutions } = metrics.value
    this.watch.checkBooks(activeExecutions, queuedExecutions, gpusInUse)
  }

  /** No more faults: everything ends, what was left behind is found, and the service shuts down. */
  private finish(): void {
    const { watch } = this
    this.faults.isCalm = true
    this.note(() => "from now on nothing goes wrong")
    this.passUntil(1000, () => watch.isQuiet && this.life.closed === undefined)
    if (watch.violation) return
    this.pass(slowestCall)
    this.checkMessages()
    const isClean = this.passUntil(watch.bounds.reaper / 1000, () => this.isAtRest())
    if (!isClean) watch.fail("nothing left", this.describeRest())
    this.checkBooks()
    this.checkPlaces()
    watch.checkEnds()
    this.checkLost()
    this.isFinishing = true
    this.shutDown()
    const { closed, fibers } = this.life
    const isClosed = () => closed?.fiber.unsafePoll() !== null
    if (!this.passUntil(watch.bounds.shutdown / 1000, isClosed))
      watch.fail("deadlines", "the service does not shut down")
    const isOver = () => closed?.fiber.unsafePoll() !== null && fibers.all.size === 0
    if (!this.passUntil(lastThings, isOver))
      watch.fail("nothing left", `${fibers.all.size} fibers after the end`)
    const left = [...this.cloud.sandboxes.values()].find(({ excuse }) => excuse === undefined)
    if (left) watch.fail("nothing left", `${left.id} after the end`)
  }

  /** From now on every receiver takes what it is sent. */
  private checkMessages(): void {
    const { patience } = this.history
    if (patience === undefined) return
    const { counts } = Context.get(this.memory, Outbox)
    const isSent = () => Option.exists(this.now(counts), ({ pending }) => pending === 0)
    if (!this.passUntil(longestPause, isSent)) this.watch.fail("messages", "messages wait and are not sent")
    this.watch.checkMessages(patience * 1000)
  }

  private get idlePool(): number {
    const metrics = this.now(Effect.flatMap(SandboxService, (service) => service.getSystemMetrics))
    return Option.match(metrics, { onNone: () => 0, onSome: ({ pool }) => pool.idle })
  }

  private isAtRest(): boolean {
    return this.life.fibers.all.size === this.fibersAtRest && this.leftSandboxes.length === 0
  }

  /** Sandboxes that are not the pool's. One of the pool's may have died without its knowledge. */
  private get leftSandboxes(): ReadonlyArray<CloudSandbox> {
    const sandboxes = [...this.cloud.sandboxes.values()]
    const isPooled = ({ metadata, owner }: CloudSandbox) =>
      metadata.purpose === "pool" && owner === this.life.process
    return sandboxes.filter(isPooled).length > this.idlePool
      ? sandboxes
      : sandboxes.filter((sandbox) => !isPooled(sandbox))
  }

  private describeRest(): string {
    const fibers = this.life.fibers.all.size - this.fibersAtRest
    const left = this.leftSandboxes.map(
      ({ id, metadata }) => `${id} of ${metadata.executionId ?? metadata.purpose}`
    )
    return `sandboxes left: ${left.join(", ")} (the pool has ${this.idlePool}); ${fibers} fibers too many`
  }

  /** Whoever comes now finds a place. */
  private checkPlaces(): void {
    for (const user of new Set([...this.watch.cases.values()].map(({ user }) => user))) {
      const canStart = Effect.flatMap(SandboxService, (service) => service.canStartExecution(userIdOf(user)))
      const admissible = this.now(canStart)
      if (Option.isNone(admissible) || !admissible.value.allowed)
        this.watch.fail("nothing left", `a place of ${user} is still taken`)
    }
  }

  /** Lets go of the fibers of processes that are dead. */
  private bury(): void {
    for (const { fibers, process } of this.lives) {
      process.kill()
      for (const fiber of fibers.all) daemons.roots?.delete(fiber)
    }
  }
}

/** Plays one history, with parts of the service exchanged if so told. */
export const play = (history: History, parts: Parts = {}): Outcome => new Simulation(history, parts).run()

/** Plays the history of a seed. */
export const simulate = (seed: number, parts: Parts = {}): Outcome => play(generate(seed), parts)

/** What went wrong, in lines for people, and how to see it again. */
export const report = ({ faults, history, violation }: Outcome): string => {
  if (violation === undefined) return `Seed ${history.seed}: every invariant held`
  const { at, invariant, message } = violation
  return [
    `Seed ${history.seed} breaks "${invariant}" after ${at} ms: ${message}`,
    `Setting: ${describeSetting(history)}`,
    "Steps:",
    ...history.steps.map((step) => `  ${describeStep(step)}`),
    ...(faults.length === 0
      ? ["Faults: none"]
      : ["Faults:", ...faults.map((fault) => `  ${describeFault(fault)}`)]),
    `Replay: npm run simulate -- --first-seed ${history.seed} --seeds 1`
  ].join("\n")
}
