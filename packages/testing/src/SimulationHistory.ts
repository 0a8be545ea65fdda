import type { WebhookEvent } from "@bulkhead/domain"
import { defaultLimits, type LimitValues } from "@bulkhead/sandbox"
import type { Utils } from "effect"
import { randomOf } from "./Faults.js"
import type { Behaviour } from "./FaultySandboxProvider.js"

/** How an execution is asked for: for its result, for what happens to it, or as one that goes on by itself. */
export type Way = "execute" | "stream" | "submit"

/** Who reads an execution's updates more slowly than they come. */
export interface SlowReader {
  /** Milliseconds after each update. */
  readonly pause: number
  /** Updates after which the connection is cut, and asked for anew from there. Absent: it never is. */
  readonly cutAfter?: number
}

/** One thing that is done to the service, or around it. Times in milliseconds unless said otherwise. */
export type Step =
  | {
      readonly _tag: "Submit"
      readonly id: number
      readonly user: string
      readonly behaviour: Behaviour
      /** Seconds. */
      readonly timeout: number
      readonly retryOnFailure: boolean
      readonly hasFiles: boolean
      readonly gpus?: number
      readonly way: Way
      /** Of what a webhook of its own is told. */
      readonly webhook?: ReadonlyArray<WebhookEvent>
      readonly reader?: SlowReader
    }
  /** Work that runs elsewhere begins; its timeout in seconds. */
  | { readonly _tag: "Begin"; readonly id: number; readonly user: string; readonly timeout: number }
  | { readonly _tag: "Finish"; readonly id: number }
  | { readonly _tag: "Kill"; readonly id: number }
  /** The caller hangs up. */
  | { readonly _tag: "Leave"; readonly id: number }
  | { readonly _tag: "Pass"; readonly milliseconds: number }
  /** The provider refuses every create for a while. */
  | { readonly _tag: "Outage"; readonly milliseconds: number }
  | { readonly _tag: "Adjust"; readonly inAll: number; readonly perUser: number }
  /** The service dies as by SIGKILL, and is started again. */
  | { readonly _tag: "Crash" }
  /** The service is shut down; what comes after goes to the next one, once that is there. */
  | { readonly _tag: "Restart" }

/** Everything that one simulation depends on. */
export interface History {
  readonly seed: number
  readonly limits: LimitValues
  readonly supervisor: "none" | "user"
  readonly interruptibleCreates: boolean
  readonly faultPercent: number
  /** Seconds for which a message to a webhook is tried. Absent: nothing is sent. */
  readonly patience?: number
  readonly steps: ReadonlyArray<Step>
  /** Calls that go well although the seed says otherwise. */
  readonly spared: ReadonlySet<string>
}

const between = (random: Utils.PCGRandom, least: number, most: number) =>
  least + random.integer(most - least + 1)

const pick = <A>(random: Utils.PCGRandom, values: ReadonlyArray<A>): A =>
  values[random.integer(values.length)] as A

const limitsOf = (random: Utils.PCGRandom): LimitValues => {
  const poolMax = pick(random, [0, 0, 1, 2])
  return {
    ...defaultLimits,
    defaultTimeout: 5,
    maxTimeout: 60,
    killGracePeriod: between(random, 1, 2),
    maxConcurrentSandboxes: between(random, 2, 5),
    maxSandboxesPerUser: between(random, 1, 3),
    maxQueued: between(random, 3, 12),
    maxQueuedPerUser: between(random, 1, 6),
    maxQueueWait: between(random, 5, 40),
    hardOutputBytes: 2000,
    maxRetries: between(random, 0, 3),
    retryBackoffMs: between(random, 10, 500),
    maxCreatesPerSecond: pick(random, [0, 0, 0, 5]),
    breakerFailures: between(random, 2, 6),
    breakerCooldown: between(random, 1, 10),
    reaperInterval: between(random, 5, 30),
    poolMin: Math.min(poolMax, random.integer(2)),
    poolMax,
    poolMaxAge: between(random, 20, 200)
  }
}

const behaviourOf = (random: Utils.PCGRandom): Behaviour => {
  const after = random.integer(random.integer(3) === 0 ? 8000 : 1500)
  switch (random.integer(10)) {
    case 0:
      return { _tag: "Crashes", after }
    case 1:
      return { _tag: "Floods", after }
    case 2:
      return { _tag: "Sleeps" }
    case 3:
      return { _tag: "Stubborn" }
    default:
      return { _tag: "Ends", after, exitCode: random.integer(4) === 0 ? 1 : 0 }
  }
}

/** One user asks for more than all the others. */
const userOf = (random: Utils.PCGRandom, users: number) =>
  `u${random.integer(3) === 0 ? 0 : random.integer(users)}`

const passOf = (random: Utils.PCGRandom): Step => {
  const most = pick(random, [20, 500, 500, 2000, 2000, 6000, 20_000])
  return { _tag: "Pass", milliseconds: random.integer(most) }
}

const stepOf = (random: Utils.PCGRandom, id: number, users: number): Step => {
  const chance = random.integer(100)
  const user = userOf(random, users)
  const known = random.integer(Math.max(1, id))
  if (chance < 50) {
    return {
      _tag: "Submit",
      id,
      user,
      behaviour: behaviourOf(random),
      timeout: between(random, 1, 8),
      retryOnFailure: random.integer(4) === 0,
      hasFiles: random.integer(4) === 0,
      way: pick(random, ["execute", "execute", "stream", "submit"])
    }
  }
  if (chance < 73) return passOf(random)
  if (chance < 79) return { _tag: "Kill", id: known }
  if (chance < 84) return { _tag: "Leave", id: known }
  if (chance < 88) return { _tag: "Begin", id, user, timeout: between(random, 1, 10) }
  if (chance < 91) return { _tag: "Finish", id: known }
  if (chance < 94) return { _tag: "Crash" }
  if (chance < 96) return { _tag: "Outage", milliseconds: between(random, 500, 10_000) }
  if (chance < 99) return { _tag: "Adjust", inAll: between(random, 1, 6), perUser: between(random, 1, 3) }
  return { _tag: "Restart" }
}

const webhookEvents: ReadonlyArray<ReadonlyArray<WebhookEvent>> = [
  ["execution.completed"],
  ["execution.queued", "execution.started", "execution.completed"]
]

type Submit = Extract<Step, { readonly _tag: "Submit" }>

const withWebhook = (step: Submit, random: Utils.PCGRandom): Submit =>
  random.integer(2) === 0 ? { ...step, webhook: pick(random, webhookEvents) } : step

/** Its program writes more than a reader finds who comes too late. */
const withSlowReader = (step: Submit, random: Utils.PCGRandom): Submit => {
  if (step.way === "execute") return step
  const isCut = step.way === "submit" && random.integer(3) > 0
  const pause = between(random, 0, pick(random, [10, 300, 2000]))
  return {
    ...step,
    reader: isCut ? { pause, cutAfter: between(random, 1, 5) } : { pause },
    behaviour: { _tag: "Talks", every: between(random, 1, 200), pieces: between(random, 1, 24) }
  }
}

/** More than those write who talk, so that floods are none. */
const roomForTalk = 1_000_000

/** A third of the histories have webhooks, and a fourth have slow readers. What else is in them stays the same. */
const withCallers = (history: History): History => {
  const random = randomOf(history.seed, "callers")
  const sends = random.integer(3) === 0
  const readsSlowly = random.integer(4) === 0
  const steps = history.steps.map((step): Step => {
    if (step._tag !== "Submit") return step
    const random = randomOf(history.seed, `caller ${step.id}`)
    const told = sends ? withWebhook(step, random) : step
    return readsSlowly ? withSlowReader(told, random) : told
  })
  return {
    ...history,
    ...(sends ? { patience: pick(random, [5, 60, 86_400]) } : {}),
    ...(readsSlowly ? { limits: { ...history.limits, hardOutputBytes: roomForTalk } } : {}),
    steps
  }
}

/** In a fourth of the histories most of what is submitted wants GPUs. What else is in them stays the same. */
const withGpus = (history: History): History => {
  const random = randomOf(history.seed, "gpus")
  if (random.integer(4) > 0) return history
  const maxGpusPerUser = between(random, 2, 3)
  const steps = history.steps.map((step): Step => {
    if (step._tag !== "Submit") return step
    const own = randomOf(history.seed, `gpus ${step.id}`)
    if (own.integer(4) === 0) return step
    // Few and many, since those who want few must not overtake those who wait for many.
    return { ...step, gpus: pick(own, [1, between(own, 1, maxGpusPerUser), maxGpusPerUser]) }
  })
  return { ...history, limits: { ...history.limits, maxGpusPerUser }, steps }
}

/** The history that a seed stands for. */
export const generate = (seed: number): History => {
  const random = randomOf(seed, "history")
  const users = between(random, 2, 6)
  const steps: Array<Step> = []
  let id = 1
  for (let left = between(random, 6, 24); left > 0; left--) {
    const step = stepOf(random, id, users)
    if (step._tag === "Submit" || step._tag === "Begin") id++
    steps.push(step)
  }
  const history: History = {
    seed,
    limits: limitsOf(random),
    supervisor: pick(random, ["none", "user"]),
    interruptibleCreates: random.integer(2) === 0,
    faultPercent: pick(random, [0, 5, 15, 15, 40]),
    steps,
    spared: new Set()
  }
  return withGpus(withCallers(history))
}

const describeBehaviour = (behaviour: Behaviour) => {
  switch (behaviour._tag) {
    case "Ends":
      return `exits with ${behaviour.exitCode} after ${behaviour.after} ms`
    case "Crashes":
      return `crashes after ${behaviour.after} ms`
    case "Floods":
      return `floods after ${behaviour.after} ms`
    case "Talks":
      return `writes ${behaviour.pieces} pieces, one each ${behaviour.every} ms`
    case "Sleeps":
      return "runs until SIGTERM"
    case "Stubborn":
      return "runs until SIGKILL"
  }
}

const describeReader = ({ cutAfter, pause }: SlowReader) =>
  `, read with pauses of ${pause} ms${cutAfter === undefined ? "" : ` and cuts after ${cutAfter} updates`}`

export const describeStep = (step: Step): string => {
  switch (step._tag) {
    case "Submit": {
      const leave = step.retryOnFailure ? ", may be run again" : ""
      const files = step.hasFiles ? ", with files" : ""
      const gpus = step.gpus ? `, with ${step.gpus} GPUs` : ""
      const webhook = step.webhook ? `, telling of ${step.webhook.join(", ")}` : ""
      const reader = step.reader ? describeReader(step.reader) : ""
      const way = { execute: "executes", stream: "streams", submit: "submits" }[step.way]
      return `${step.user} ${way} ${step.id}: ${describeBehaviour(step.behaviour)}, timeout ${step.timeout} s${leave}${files}${gpus}${webhook}${reader}`
    }
    case "Begin":
      return `${step.user} begins work ${step.id} elsewhere, timeout ${step.timeout} s`
    case "Finish":
      return `work ${step.id} is finished`
    case "Kill":
      return `${step.id} is killed`
    case "Leave":
      return `the caller of ${step.id} hangs up`
    case "Pass":
      return `${step.milliseconds} ms pass`
    case "Outage":
      return `the provider is out for ${step.milliseconds} ms`
    case "Adjust":
      return `the limits become ${step.inAll} in all, ${step.perUser} per user`
    case "Crash":
      return "the service dies and is started again"
    case "Restart":
      return "the service is shut down and started again"
  }
}

const shownLimits = [
  "maxConcurrentSandboxes",
  "maxSandboxesPerUser",
  "maxGpusPerUser",
  "maxQueued",
  "maxQueuedPerUser",
  "maxQueueWait",
  "killGracePeriod",
  "maxRetries",
  "retryBackoffMs",
  "maxCreatesPerSecond",
  "breakerFailures",
  "breakerCooldown",
  "reaperInterval",
  "poolMin",
  "poolMax",
  "poolMaxAge"
] as const

export const describeSetting = ({ interruptibleCreates, limits, patience, supervisor }: History): string =>
  [
    ...shownLimits.map((name) => `${name} ${limits[name]}`),
    `supervisor ${supervisor}`,
    `creates ${interruptibleCreates ? "can" : "cannot"} be interrupted`,
    patience === undefined ? "no webhooks" : `webhooks are tried for ${patience} s`
  ].join(", ")
