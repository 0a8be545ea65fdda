import type {
  ExecutionEvent,
  ExecutionId,
  ExecutionResult,
  ExecutionSummary,
  ExecutionUpdate,
  Refusal,
  WebhookEvent,
  WebhookMessage
} from "@bulkhead/domain"
import type { LimitValues } from "@bulkhead/sandbox"
import type { Post } from "@bulkhead/webhooks"
import { Cause, Exit, Option } from "effect"
import { type Cloud, type ProgramRun, requestTimeout, simulatedGpus } from "./FaultySandboxProvider.js"
import * as SimulatedNetwork from "./SimulatedNetwork.js"
import type { SlowReader } from "./SimulationHistory.js"
import type { SimulationTime } from "./SimulationTime.js"

/** What must hold in every history. */
export type Invariant =
  /** Never more executions at once than the limits allow, in all and for each user. */
  | "caps"
  /** What the service counts is what there is. */
  | "books"
  /** Every request is answered once, and by an answer. */
  | "one answer"
  /** Every execution's log ends in one terminal event, and that tells what the answer told. */
  | "one terminal event"
  /** GPUs that are free go to whom only others kept waiting for them, before anyone who had a turn later. */
  | "GPUs in turn"
  /** A user's executions start in the order in which they came. */
  | "first come, first served"
  /** While a user could have a place, nobody else gets two. */
  | "turns"
  /** No place stays free while someone could have it. */
  | "idle place"
  /** No program is started twice without leave, and none without an execution. */
  | "runs once"
  /** Every wait and every run ends when it must. */
  | "deadlines"
  /** No sandbox, place or fiber outlives what it was for. */
  | "nothing left"
  /** Every message to a webhook comes at least once, each copy with one id, or the log says once that it does not. */
  | "messages"
  /** No program runs with another network policy than its request comes to. */
  | "network"
  /** What the service says is so. */
  | "truth"

export interface Violation {
  readonly invariant: Invariant
  readonly message: string
  /** Milliseconds since the beginning. */
  readonly at: number
}

/** One request, or work that runs elsewhere, and all that became of it. */
export interface Case {
  readonly id: number
  readonly user: string
  readonly isWork: boolean
  /** Submitted: it goes on when its caller leaves. */
  isOnItsOwn?: boolean
  /** Its reader was told that the service shuts down, and asks no more. */
  isDismissed?: boolean
  readonly life: number
  readonly timeoutMs: number
  readonly mayRunAgain: boolean
  /** How many it needs. */
  readonly gpus: number
  /** Of what its webhook is to be told. */
  readonly webhook: ReadonlyArray<WebhookEvent>
  /** The ids of the messages that its webhook's receiver took. */
  readonly taken: Map<WebhookEvent, string>
  /** The events of messages that were delivered or given up. */
  readonly settled: Array<ExecutionEvent>
  /** Reads more slowly than updates come, and so is answered later than it ends. */
  readonly reader?: SlowReader
  /** The updates that its last reader was told. */
  seen: ReadonlyArray<ExecutionUpdate>
  readonly events: Array<ExecutionEvent>
  executionId?: ExecutionId
  /** As the books have it. */
  summary?: ExecutionSummary
  queuedAt?: number
  startedAt?: number
  endedAt?: number
  answer?: Exit.Exit<ExecutionResult | undefined, Refusal>
  /** By when a kill, or the end of its caller, must have ended it. */
  goneBy?: number
  mayBeKilled: boolean
  /** It died with its life of the service. */
  isLost: boolean
  programs: number
}

const terminal: ReadonlySet<string> = new Set([
  "execution_completed",
  "execution_failed",
  "execution_timeout",
  "execution_killed",
  "execution_rejected"
])

const seconds = (count: number) => count * 1000

/** What the service's parts may take, in milliseconds, by what their sources say. */
export const boundsOf = (limits: LimitValues) => {
  const grace = seconds(limits.killGracePeriod)
  const pooled = seconds(2) * limits.poolMax
  const closing = seconds(10) * (1 + limits.poolMax)
  const stopping = seconds(5) + grace + seconds(5) + seconds(2)
  const paced = limits.maxCreatesPerSecond === 0 ? 0 : seconds(10)
  const creating = pooled + paced + requestTimeout
  return {
    wait: seconds(limits.maxQueueWait),
    /** From admission to the end, beside the program's own timeout. */
    run:
      creating +
      requestTimeout +
      seconds(30) +
      grace +
      seconds(3) +
      stopping +
      seconds(20) +
      seconds(10) +
      closing,
    /** From a kill to the end. */
    kill: creating + stopping + seconds(10) + closing,
    /** From the begin of a shutdown to the end of everything that waits or is tracked. */
    stop: 0,
    shutdown: grace + seconds(15) + requestTimeout + seconds(15) + closing,
    /** Until the reaper has ended what a fault left behind, once faults are over. */
    reaper: seconds(30) + seconds(15) + seconds(1) + 2 * seconds(limits.reaperInterval) + seconds(60)
  }
}

/** Whether an update comes after another: no counter of an attempt ever goes back. */
const isLater = (id: string, before: string) => {
  if (before === "end" || id === before) return false
  if (id === "end") return true
  const [attempt = 0, ...counters] = id.split("-").map(Number)
  const [attemptBefore = 0, ...countersBefore] = before.split("-").map(Number)
  return attempt > attemptBefore || counters.every((counter, at) => counter >= (countersBefore[at] ?? 0))
}

type OutputStream = "stdout" | "stderr"

/** What a reader knows of the output of one attempt, all of which is ASCII; what it knows to have missed is NULs. */
class ToldOutput {
  private readonly texts = { stdout: "", stderr: "" }

  /** Whether it goes on where the reader is. */
  hear(stream: OutputStream, offset: number, text: string): boolean {
    const isNext = offset === this.texts[stream].length
    this.texts[stream] += text
    return isNext
  }

  miss(stream: OutputStream, range: { readonly from: number; readonly to: number } | undefined): void {
    if (range) this.texts[stream] += "\0".repeat(range.to - this.texts[stream].length)
  }

  isOf(result: ExecutionResult): boolean {
    return (["stdout", "stderr"] as const).every((stream) => {
      const told = this.texts[stream]
      const whole = result[stream]
      return (
        told.length === whole.length &&
        told.replace(/\0+/g, (gap, at) => whole.substr(at, gap.length)) === whole
      )
    })
  }
}

const eventOf = ({ verdict }: Pick<ExecutionResult, "verdict">) => {
  switch (verdict) {
    case "Completed":
      return "execution_completed"
    case "TimeLimitExceeded":
      return "execution_timeout"
    case "Killed":
      return "execution_killed"
    case "Rejected":
      return "execution_rejected"
    default:
      return "execution_failed"
  }
}

/** Refusals that come before there is an execution to write about. */
const withoutEvents: ReadonlySet<string> = new Set([
  "ShuttingDown",
  "InvalidRequest",
  "RequestTooLarge",
  "PolicyRefused"
])

const isGoing = ({ endedAt, isLost, startedAt }: Case) =>
  startedAt !== undefined && endedAt === undefined && !isLost

const isWaiting = ({ endedAt, isLost, queuedAt, startedAt }: Case) =>
  queuedAt !== undefined && startedAt === undefined && endedAt === undefined && !isLost

const gpusOf = (cases: ReadonlyArray<Case>) => cases.reduce((sum, { gpus }) => sum + gpus, 0)

const allGpus = simulatedGpus.reduce((sum, { count }) => sum + count, 0)

/** Who has had a turn and waits for GPUs, from one look to the next. */
class GpuTurns {
  /** By the look at which each was first seen to have had its turn. */
  private readonly since = new Map<Case, number>()
  /** Whom only others kept waiting at the last look. */
  private owed: ReadonlyArray<Case> = []
  private readonly startedSince: Array<Case> = []
  private looks = 0

  clear(): void {
    this.since.clear()
    this.limitsChanged()
  }

  /** Who has had a turn keeps it; whom only others keep waiting is another matter under other limits. */
  limitsChanged(): void {
    this.owed = []
    this.startedSince.length = 0
  }

  started(one: Case): void {
    if (one.gpus > 0) this.startedSince.push(one)
  }

  /** One that started although its turn came after that of one that still waits. */
  overtaking(): readonly [by: Case, whom: Case] | undefined {
    for (const by of this.startedSince)
      for (const whom of this.owed)
        if (isWaiting(whom) && this.turnOf(by) > this.turnOf(whom)) return [by, whom]
    return undefined
  }

  look(turned: ReadonlyArray<Case>, isOwed: (one: Case) => boolean): void {
    this.looks++
    this.startedSince.length = 0
    // Also who must wait for its own user's places again, since limits were lowered, keeps its turn.
    for (const one of this.since.keys()) if (!isWaiting(one)) this.since.delete(one)
    for (const one of turned) if (!this.since.has(one)) this.since.set(one, this.looks)
    this.owed = turned.filter(isOwed)
  }

  private turnOf(one: Case): number {
    return this.since.get(one) ?? Number.POSITIVE_INFINITY
  }
}

/** Sees everything that happens in a simulation, and remembers the first thing that must not. */
export class SimulationWatch {
  violation: Violation | undefined
  readonly cases = new Map<number, Case>()
  readonly bounds: ReturnType<typeof boundsOf>
  /** The life of the service that is on now. */
  life = 0
  private inAll = 0
  private perUser = 0
  /** The cases that are not over. */
  private readonly open = new Set<Case>()
  private readonly byExecution = new Map<ExecutionId, Case>()
  /** Users' turns since someone else's last one, by whoever waited and by who had them. */
  private readonly turns = new Map<string, Map<string, number>>()
  /** What each message is, by its id. */
  private readonly messages = new Map<string, string>()
  private readonly gpuTurns = new GpuTurns()
  private allowed = 0
  private readonly allowedOf = new Map<string, number>()
  private readonly time: SimulationTime
  private readonly limits: LimitValues
  private readonly start: number
  private readonly lives: (sandboxId: string) => boolean

  /** `lives` says whether the cloud has a sandbox. */
  constructor(time: SimulationTime, limits: LimitValues, lives: (sandboxId: string) => boolean) {
    this.time = time
    this.lives = lives
    this.limits = limits
    this.start = time.now
    this.bounds = boundsOf(limits)
  }

  fail(invariant: Invariant, message: string): void {
    this.violation ??= { invariant, message, at: this.time.now - this.start }
  }

  /** A new life of the service, with the limits that it was given. */
  began(): void {
    this.life++
    this.turns.clear()
    this.gpuTurns.clear()
    this.allowedOf.clear()
    this.allowed = 0
    this.adjusted(this.limits.maxConcurrentSandboxes, this.limits.maxSandboxesPerUser)
  }

  adjusted(inAll: number, perUser: number): void {
    this.inAll = inAll
    this.perUser = perUser
    this.turns.clear()
    this.gpuTurns.limitsChanged()
  }

  /** The life that was on has died, and all of its cases with it. */
  crashed(): void {
    for (const one of this.open) one.isLost = true
    this.open.clear()
  }

  /** Everything that goes on may be killed from now on. */
  closing(goneBy: number): void {
    for (const one of this.open) {
      one.mayBeKilled = true
      if (one.isWork || isWaiting(one)) one.goneBy = Math.min(one.goneBy ?? goneBy, goneBy)
    }
  }

  asked(
    one: Pick<Case, "id" | "user" | "isWork" | "timeoutMs" | "mayRunAgain"> &
      Partial<Pick<Case, "webhook" | "reader" | "gpus">>
  ): Case {
    const added: Case = {
      webhook: [],
      gpus: 0,
      ...one,
      taken: new Map(),
      settled: [],
      seen: [],
      life: this.life,
      events: [],
      mayBeKilled: false,
      isLost: false,
      programs: 0
    }
    this.cases.set(one.id, added)
    this.open.add(added)
    return added
  }

  /** Asks that it end soon: at once if it waits. */
  ending(one: Case): void {
    const bound = isWaiting(one) || one.isWork ? 0 : this.bounds.kill
    one.mayBeKilled = true
    one.goneBy = Math.min(one.goneBy ?? Number.POSITIVE_INFINITY, this.time.now + bound)
  }

  /** The service has taken up the case with this number. */
  known(id: number, execution: ExecutionSummary): void {
    const one = this.cases.get(id)
    if (one === undefined) return
    one.executionId = execution.executionId
    one.summary = execution
    this.byExecution.set(execution.executionId, one)
  }

  /** What an earlier life of the service took up and did not end. */
  get unfinished(): ReadonlyArray<ExecutionSummary> {
    return [...this.cases.values()].flatMap(({ endedAt, isLost, summary }) =>
      isLost && endedAt === undefined && summary !== undefined ? [summary] : []
    )
  }

  /** A line in the service's books. */
  happened(event: ExecutionEvent) {
    const one = this.byExecution.get(event.executionId)
    if (one === undefined) return this.fail("truth", `an event of nobody: ${event.event}`)
    if (event.event === "webhook_failed" || event.event === "webhook_delivered") {
      one.settled.push(event)
      return
    }
    one.events.push(event)
    if (one.endedAt !== undefined) this.fail("one terminal event", `${one.id}: ${event.event} after its end`)
    if (event.event === "execution_queued") one.queuedAt = this.time.now
    if (event.event === "execution_started") this.started(one)
    if (event.event === "sandbox_destroyed") this.destroyed(one, event)
    if (terminal.has(event.event)) {
      one.endedAt = this.time.now
      this.turns.delete(one.user)
    }
  }

  programStarted(run: ProgramRun) {
    const one = this.cases.get(Number(run.code))
    if (one === undefined) return this.fail("runs once", `a program that nobody submitted: ${run.code}`)
    one.programs++
    if (!SimulatedNetwork.isRight(one.id, run.sandbox.network))
      this.fail("network", `${one.id} runs with ${JSON.stringify(run.sandbox.network)}`)
    if (one.programs > 1 && !one.mayRunAgain)
      this.fail("runs once", `${one.id} was started ${one.programs} times without leave`)
    if (one.startedAt === undefined) this.fail("runs once", `${one.id} ran without having been admitted`)
    if (run.sandbox.gpus !== one.gpus)
      this.fail("truth", `${one.id} wants ${one.gpus} GPUs and has ${run.sandbox.gpus}`)
    if (one.endedAt !== undefined && run.sandbox.excuse === undefined)
      this.fail("runs once", `${one.id} was started after its end`)
  }

  answered(one: Case, answer: NonNullable<Case["answer"]>, cloud: Cloud) {
    if (one.answer !== undefined) return this.fail("one answer", `${one.id} was answered twice`)
    one.answer = answer
    if (Exit.isSuccess(answer)) {
      if (answer.value) this.judge(one, answer.value, cloud)
      return
    }
    if (Cause.isInterruptedOnly(answer.cause) && one.mayBeKilled) return
    const refusal = Cause.failureOption(answer.cause)
    if (Option.isNone(refusal)) return this.fail("one answer", `${one.id}: ${Cause.pretty(answer.cause)}`)
    const { _tag } = refusal.value
    if (one.programs > 0) this.fail("truth", `${one.id} was refused (${_tag}) and ran`)
    if (one.events.length === 0 && withoutEvents.has(_tag)) {
      one.endedAt = this.time.now
      return
    }
    this.expectEnd(one, "execution_rejected")
  }

  /** Everything that must hold whenever nothing moves. Whether all is well so far. */
  check(cloud: Cloud): boolean {
    this.checkCaps(cloud)
    this.checkPlaces()
    this.checkGpus()
    for (const one of this.open) {
      this.checkDeadlines(one)
      this.checkAnswer(one)
    }
    return this.violation === undefined
  }

  /** Every execution that was ever taken up has ended, also those that died with their service. */
  checkEnds(): void {
    for (const { endedAt, executionId, id } of this.cases.values())
      if (executionId !== undefined && endedAt === undefined)
        this.fail("one terminal event", `${id} never ended in the books`)
  }

  /** When something happened to an execution of which webhooks may be told. */
  private whenOf({ endedAt, queuedAt, startedAt }: Case, event: WebhookEvent): number | undefined {
    return { "execution.queued": queuedAt, "execution.started": startedAt, "execution.completed": endedAt }[
      event
    ]
  }

  /** A receiver took a copy of a message. */
  taken({ body, headers, url }: Post): void {
    const one = this.cases.get(Number(url.split("/").at(-1)))
    const { data, type }: WebhookMessage = JSON.parse(body)
    if (one?.executionId !== data.execution.executionId || !one.webhook.includes(type)) {
      this.fail("messages", `${url} is told of what it did not ask for: ${type}`)
      return
    }
    if (this.whenOf(one, type) === undefined) this.fail("truth", `${url} is told ${type} before it is so`)
    const id = headers["webhook-id"] ?? ""
    if (id !== (one.taken.get(type) ?? id) || (this.messages.get(id) ?? url + type) !== url + type)
      this.fail("messages", `copies of a message to ${url} have not one id of their own`)
    one.taken.set(type, id)
    this.messages.set(id, url + type)
    const { verdict } = data.execution
    if (verdict !== undefined && eventOf({ verdict }) !== one.events.at(-1)?.event)
      this.fail("truth", `${url} is told of an end by ${verdict}, which was another`)
  }

  /** Everything that was to be sent was, or was given up, when its time was over and not before. */
  checkMessages(patience: number): void {
    for (const one of this.cases.values()) {
      if (one.executionId === undefined) continue
      for (const event of one.webhook) {
        const since = this.whenOf(one, event)
        if (since === undefined) continue
        const ends = one.settled.filter(({ data }) => data?.event === event)
        if (ends.length !== 1)
          this.fail("messages", `${one.id}: the log has ${ends.length} ends of the message of ${event}`)
        const [end] = ends
        if (end?.event === "webhook_delivered" && !one.taken.has(event))
          this.fail("messages", `${one.id}'s webhook was never told ${event}`)
        // The next pause is twice all pauses before, a little more or less.
        if (end?.event === "webhook_failed" && 3 * (end.timestamp - since) + seconds(10) < patience)
          this.fail("messages", `${one.id}: ${event} was given up too early`)
      }
    }
  }

  /** What the service says of itself. */
  checkBooks(active: number, queued: number, gpus: number): void {
    const { going, waiting } = this.present()
    if (active !== going.length) this.fail("books", `${active} are said to be active, ${going.length} are`)
    if (queued !== waiting.length)
      this.fail("books", `${queued} are said to be queued, ${waiting.length} are`)
    if (gpus !== gpusOf(going)) this.fail("books", `${gpus} GPUs are said to be in use, ${gpusOf(going)} are`)
  }

  get isQuiet(): boolean {
    return this.open.size === 0
  }

  private present() {
    const now = [...this.open].filter(({ life }) => life === this.life)
    return { going: now.filter(isGoing), waiting: now.filter(isWaiting) }
  }

  private goingOf(user: string) {
    return this.present().going.filter((one) => one.user === user).length
  }

  private started(one: Case): void {
    const { waiting } = this.present()
    const earlier = waiting.find(
      (other) => other.user === one.user && other.id < one.id && !other.mayBeKilled && !this.isPastWait(other)
    )
    one.startedAt = this.time.now
    this.gpuTurns.started(one)
    if (earlier) this.fail("first come, first served", `${one.id} started before ${earlier.id}`)
    this.turns.delete(one.user)
    const users = new Set(waiting.map(({ user }) => user))
    for (const user of users) if (user !== one.user) this.overtakes(user, one)
  }

  /** Someone else has a turn while this user waits. */
  private overtakes(user: string, by: Case): void {
    if (by.life !== this.life) return
    if (this.goingOf(user) >= this.perUser || this.headOf(user)?.gpus !== 0) {
      this.turns.delete(user)
      return
    }
    const turns = this.turns.get(user) ?? new Map<string, number>()
    const count = (turns.get(by.user) ?? 0) + 1
    turns.set(by.user, count)
    this.turns.set(user, turns)
    if (count > 1)
      this.fail("turns", `${by.user} had ${count} places (the last for ${by.id}) while ${user} waited`)
  }

  private destroyed(one: Case, { data }: ExecutionEvent): void {
    const id = data?.sandboxId
    if (typeof id === "string" && this.lives(id))
      this.fail("truth", `${one.id} says ${id} is gone, and it is not`)
  }

  private isPastWait({ queuedAt = 0 }: Case) {
    return this.time.now >= queuedAt + this.bounds.wait
  }

  /** What a reader of the case's updates was told. Only the latest attempt's output, or an earlier one's, is kept. */
  read(one: Case, updates: ReadonlyArray<ExecutionUpdate>): void {
    let told = new ToldOutput()
    const attempts = [told]
    let refused: Array<unknown> = []
    for (const update of updates) {
      if (update.type === "retrying") {
        told = new ToldOutput()
        attempts.push(told)
        refused = []
      }
      if (update.type === "missed") {
        if (one.reader === undefined) this.fail("truth", `a reader of ${one.id} missed what little there was`)
        told.miss("stdout", update.stdout)
        told.miss("stderr", update.stderr)
      }
      if (update.type === "artifact" && update.refused !== undefined) refused.push(update.refused)
      if (update.type !== "stdout" && update.type !== "stderr") continue
      if (!told.hear(update.type, update.offset, update.text))
        this.fail("truth", `a reader of ${one.id} was not told every byte once`)
    }
    const ids = updates.flatMap(({ id, type }) => (type === "closing" ? [] : [id]))
    if (ids.some((id, at) => at > 0 && !isLater(id, ids[at - 1] ?? "end")))
      this.fail("one answer", `a reader of ${one.id} was told something twice, or too late`)
    const last = updates.at(-1)
    if (last?.type !== "result" || last.result.verdict === "InternalError") return
    const { result } = last
    if (!attempts.some((told) => told.isOf(result)))
      this.fail("truth", `a reader of ${one.id} read something else than its result`)
    // A kill while files are looked at has the last word on them.
    if (result.verdict !== "Killed" && JSON.stringify(refused) !== JSON.stringify(result.rejectedArtifacts))
      this.fail("truth", `a reader of ${one.id} was told of other files than its result has`)
  }

  private judge(one: Case, result: ExecutionResult, cloud: Cloud) {
    this.expectEnd(one, eventOf(result))
    if (result.verdict === "Rejected" && one.programs > 0)
      this.fail("truth", `${one.id} was turned away and ran`)
    if (result.error?.code === "INTERNAL_ERROR" && result.error.message === "Internal error")
      this.fail("one answer", `${one.id}: a mistake of ours`)
    const runs = cloud.runs.filter(({ code }) => code === String(one.id))
    if (result.verdict === "Completed" && !runs.some(({ exit }) => exit?.exitCode === 0))
      this.fail("truth", `${one.id} is said to have completed, and has not`)
    if (result.verdict === "Killed" && !one.mayBeKilled)
      this.fail("truth", `${one.id} is said to have been killed, and nobody asked`)
    if (result.verdict === "TimeLimitExceeded" && this.time.now < (one.startedAt ?? 0) + one.timeoutMs)
      this.fail("truth", `${one.id} is said to have run too long, and has not`)
    const left = runs.find(({ sandbox }) => !sandbox.isGone && sandbox.excuse === undefined)
    if (left) this.fail("nothing left", `${left.sandbox.id} outlives ${one.id}`)
  }

  private expectEnd(one: Case, event: string): void {
    const last = one.events.at(-1)?.event
    if (last !== event)
      this.fail("one terminal event", `${one.id} is answered; expected ${event}, found ${last}`)
  }

  private checkCaps(cloud: Cloud) {
    const { going } = this.present()
    this.allowed = Math.max(this.inAll, Math.min(this.allowed, going.length))
    if (going.length > this.allowed)
      this.fail("caps", `${going.length} executions at once, ${this.allowed} are allowed`)
    const users = new Map<string, number>()
    for (const { user } of going) users.set(user, (users.get(user) ?? 0) + 1)
    for (const [user, count] of users) {
      const allowed = Math.max(this.perUser, Math.min(this.allowedOf.get(user) ?? this.perUser, count))
      this.allowedOf.set(user, allowed)
      if (count > allowed) this.fail("caps", `${count} executions of ${user} at once, ${allowed} are allowed`)
    }
    let programs = 0
    for (const { excuse, owner, programs: running } of cloud.sandboxes.values())
      if (excuse === undefined && owner.isAlive) programs += running.size
    if (programs > this.allowed) this.fail("caps", `${programs} programs run, ${this.allowed} are allowed`)
  }

  private checkPlaces(): void {
    const { going, waiting } = this.present()
    if (going.length >= this.inAll) return
    const heads = waiting.filter(
      (one) => this.headOf(one.user) === one && this.goingOf(one.user) < this.perUser
    )
    const one = heads.find(({ gpus }) => gpus === 0)
    if (one) this.fail("idle place", `${one.id} waits although it could run`)
    const hindered = heads.filter((one) => this.mayHaveGpus(one))
    if (hindered.length > 0 && hindered.every(({ gpus }) => gpusOf(going) + gpus <= allGpus))
      this.fail("idle place", `${hindered[0]?.id} waits although its GPUs are free`)
  }

  /** The first of a user's that waits. */
  private headOf(user: string): Case | undefined {
    return this.present().waiting.find((one) => one.user === user)
  }

  /** Whether its user's own limit allows the GPUs that it needs. */
  private mayHaveGpus({ gpus, user }: Case): boolean {
    const own = this.present().going.filter((one) => one.user === user)
    return gpusOf(own) + gpus <= this.limits.maxGpusPerUser
  }

  private checkGpus(): void {
    const { going, waiting } = this.present()
    if (gpusOf(going) > allGpus) this.fail("caps", `${gpusOf(going)} GPUs are in use, there are ${allGpus}`)
    for (const { user } of going) {
      const used = gpusOf(going.filter((one) => one.user === user))
      if (used > this.limits.maxGpusPerUser) this.fail("caps", `${user} has ${used} GPUs`)
    }
    const overtaking = this.gpuTurns.overtaking()
    if (overtaking) this.fail("GPUs in turn", `${overtaking[0].id} had GPUs before ${overtaking[1].id}`)
    const heads = waiting.filter((one) => one.gpus > 0 && this.headOf(one.user) === one)
    const isTheirTurn = going.length < this.inAll
    this.gpuTurns.look(
      heads.filter((one) => isTheirTurn && this.goingOf(one.user) < this.perUser),
      (one) => this.mayHaveGpus(one) && !one.mayBeKilled
    )
  }

  private checkDeadlines(one: Case): void {
    const { now } = this.time
    if (isWaiting(one) && now > (one.queuedAt ?? 0) + this.bounds.wait)
      this.fail("deadlines", `${one.id} waits for longer than it may`)
    const bound = one.isWork ? 0 : this.bounds.run
    if (isGoing(one) && now > (one.startedAt ?? 0) + one.timeoutMs + bound)
      this.fail("deadlines", `${one.id} runs for longer than it may`)
    if (one.goneBy !== undefined && one.endedAt === undefined && now > one.goneBy)
      this.fail("deadlines", `${one.id} was to end, and has not`)
  }

  private checkAnswer(one: Case): void {
    if (one.isWork || one.isDismissed) {
      if (one.endedAt !== undefined) this.open.delete(one)
    } else if (one.reader !== undefined && one.answer === undefined) {
      // Its answer is still being read.
    } else if ((one.endedAt === undefined) !== (one.answer === undefined)) {
      const what =
        one.answer === undefined ? "has ended and is not answered" : "is answered and has not ended"
      this.fail("one answer", `${one.id} ${what}`)
    } else if (one.endedAt !== undefined) this.open.delete(one)
  }
}
