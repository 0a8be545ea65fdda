import { type ErrorCode, errorCodes } from "@bulkhead/domain"
import { SandboxFailure } from "@bulkhead/sandbox"
import { Utils } from "effect"

/** What is asked of a provider, and what may befall what it gave. */
type ProviderCall = "create" | "death" | "renew" | "files" | "start" | "run" | "signal" | "destroy" | "list"

/** The same, and what is sent to the receivers of webhooks. */
export type Call = ProviderCall | "post"

/** What goes wrong with one call. */
export type Fault =
  /** Nothing happens, and the answer says why. */
  | { readonly _tag: "Refused"; readonly failure: SandboxFailure }
  /** It happens, and the answer is an error. */
  | { readonly _tag: "AnswerLost"; readonly failure: SandboxFailure }
  /** Nothing happens, and no answer comes. */
  | { readonly _tag: "Hangs" }
  /** It happens, and no answer comes. */
  | { readonly _tag: "Mute" }
  /** It happens this many milliseconds later than it should. */
  | { readonly _tag: "Late"; readonly by: number }
  /** It ends by itself after this many milliseconds. */
  | { readonly _tag: "Ends"; readonly after: number; readonly failure: SandboxFailure }

/** How one call goes: milliseconds until it has its effect, then until its answer is there. */
export interface Fate {
  readonly key: string
  readonly delay: number
  readonly answer: number
  /** Whether it has its effect even though its caller has gone. */
  readonly goesOn: boolean
  readonly fault?: Fault
}

/** A fault that a call met. */
export interface MetFault {
  readonly key: string
  readonly fault: Fault
}

export interface FaultOptions {
  readonly seed: number
  /** How many of a hundred calls meet a fault. */
  readonly percent: number
  /** Calls that go well whatever the seed says. */
  readonly spared: ReadonlySet<string>
}

const codes = Object.keys(errorCodes) as ReadonlyArray<ErrorCode>

const lostAnswers: ReadonlyArray<ErrorCode> = ["ETIMEDOUT", "ECONNRESET"]

const phaseOf = (call: Call) => (call === "death" || call === "post" ? "run" : call)

export const failureOf = (call: Call, code: ErrorCode, retryAfter?: number): SandboxFailure =>
  new SandboxFailure({
    code,
    phase: phaseOf(call),
    message: `${call}: ${code}`,
    retryable: errorCodes[code].retryable,
    ...(retryAfter === undefined ? {} : { retryAfter })
  })

const hashOf = (text: string) => {
  let hash = 0x811c9dc5
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193)
  return hash >>> 0
}

/** Numbers that depend on the seed and the key alone. */
export const randomOf = (seed: number, key: string) => new Utils.PCGRandom(seed >>> 0, hashOf(key))

const pick = <A>(random: Utils.PCGRandom, values: ReadonlyArray<A>): A =>
  values[random.integer(values.length)] as A

const kinds: Record<Call, ReadonlyArray<Fault["_tag"]>> = {
  create: ["Refused", "Refused", "Refused", "AnswerLost", "Hangs", "Mute"],
  death: ["Ends"],
  renew: ["Refused", "Hangs"],
  files: ["Refused", "AnswerLost", "Hangs"],
  start: ["Refused", "Refused", "AnswerLost", "Hangs", "Late"],
  run: ["Ends", "Ends", "Mute"],
  signal: ["Refused", "AnswerLost", "Hangs"],
  destroy: ["Refused", "Refused", "AnswerLost", "Hangs", "Mute"],
  list: ["Refused", "Refused", "Hangs"],
  post: ["Refused", "Refused", "AnswerLost", "Hangs", "Mute"]
}

const refusal = (call: Call, random: Utils.PCGRandom) =>
  failureOf(call, pick(random, codes), random.integer(4) === 0 ? 1 + random.integer(3) : undefined)

const faultOf = (call: Call, random: Utils.PCGRandom): Fault => {
  const _tag = pick(random, kinds[call])
  switch (_tag) {
    case "Refused":
      return { _tag, failure: refusal(call, random) }
    case "AnswerLost":
      return { _tag, failure: failureOf(call, pick(random, lostAnswers)) }
    case "Late":
      return { _tag, by: random.integer(40_000) }
    case "Ends":
      return { _tag, after: random.integer(6000), failure: refusal(call, random) }
    default:
      return { _tag }
  }
}

/** Gives every call its fate, by who makes it, what it is and the how manieth: the same whatever else happens. */
export class Faults {
  /** Whether calls go well from now on. */
  isCalm = false
  /** Creates are refused until then. */
  outageUntil = 0
  readonly met: Array<MetFault> = []
  private readonly counts = new Map<string, number>()
  private readonly options: FaultOptions

  constructor(options: FaultOptions) {
    this.options = options
  }

  next(subject: string, call: Call, now: number): Fate {
    const kind = `${subject} ${call}`
    const count = (this.counts.get(kind) ?? 0) + 1
    this.counts.set(kind, count)
    const key = `${kind} ${count}`
    const random = randomOf(this.options.seed, key)
    const slow = random.integer(10) === 0 ? 4000 : 300
    const fate = {
      key,
      delay: this.isCalm ? 5 : random.integer(slow),
      answer: this.isCalm ? 5 : random.integer(slow),
      goesOn: random.integer(2) === 0
    }
    if (this.isCalm) return fate
    if (call === "create" && now < this.outageUntil) {
      return { ...fate, fault: { _tag: "Refused", failure: failureOf(call, "ECONNREFUSED") } }
    }
    // Receivers are anybody's, and fail more often than a provider.
    const percent = call === "post" ? 3 * this.options.percent : this.options.percent
    if (random.integer(100) >= percent || this.options.spared.has(key)) return fate
    const fault = faultOf(call, random)
    this.met.push({ key, fault })
    return { ...fate, fault }
  }
}

const describeFailure = ({ code, retryAfter }: SandboxFailure) =>
  retryAfter === undefined ? code : `${code}, retry after ${retryAfter} s`

export const describeFault = ({ fault, key }: MetFault): string => {
  switch (fault._tag) {
    case "Refused":
      return `${key}: refused (${describeFailure(fault.failure)})`
    case "AnswerLost":
      return `${key}: done, but answered ${describeFailure(fault.failure)}`
    case "Hangs":
      return `${key}: not done, and never answered`
    case "Mute":
      return `${key}: done, and never answered`
    case "Late":
      return `${key}: ${fault.by} ms late`
    case "Ends":
      return `${key}: cut after ${fault.after} ms (${describeFailure(fault.failure)})`
  }
}
