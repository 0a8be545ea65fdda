import type { Gate } from "@bulkhead/egress"
import { Duration, Effect, Option } from "effect"
import { RequestRefused } from "../HostErrors.js"
import * as Answer from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import type { SandboxRecord, SandboxTable } from "./SandboxTable.js"

/** Longest that a request waits for something new. */
const longestWait = Duration.seconds(20)

const refuse = (status: number, message: string) => new RequestRefused({ status, message })

const numberOf = (query: URLSearchParams, name: string, most: number) => {
  const given = query.get(name) ?? "0"
  return /^[0-9]{1,9}$/.test(given) && Number(given) <= most
    ? Effect.succeed(Number(given))
    : refuse(400, `${name} takes a whole number from 0 to ${most}`)
}

/** Waits until there is something newer, the sandbox ends, or the time is up. */
const awaitNews = ({ guest }: SandboxRecord, gate: Gate.Gate, from: number, seconds: number) =>
  Effect.raceFirst(gate.attempts.untilAfter(from), Effect.asVoid(guest.ending)).pipe(
    Effect.timeoutOption(Duration.seconds(seconds))
  )

/** Tells what a sandbox's programs attempted, and what they took of the network. E2B has no such route. */
export const show = (sandboxes: SandboxTable) =>
  Effect.fnUntraced(function* (request: HttpRequest) {
    const record = sandboxes.find(request.id)
    if (record === undefined) return yield* refuse(404, `sandbox "${request.id}" not found`)
    const from = yield* numberOf(request.query, "from", 1_000_000)
    const seconds = yield* numberOf(request.query, "wait", Duration.toSeconds(longestWait))
    if (Option.isNone(record.guest.network)) return yield* refuse(404, "this sandbox has no network")
    const gate = record.guest.network.value
    if (seconds > 0) yield* awaitNews(record, gate, from, seconds)
    const attempts = yield* gate.attempts.from(from)
    return Answer.json(200, { attempts, next: from + attempts.length, use: yield* gate.use })
  })
