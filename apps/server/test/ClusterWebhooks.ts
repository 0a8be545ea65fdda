import { Clock, Effect, Runtime, Schedule } from "effect"
import * as Caller from "./Caller.js"
import type { Harm } from "./ClusterTurns.js"
import type { Journal } from "./CrashLoad.js"
import * as WebhookReceiver from "./WebhookReceiver.js"

/** A copy of a message that came, and when. */
interface Arrival {
  readonly message: string
  readonly executionId: string
  readonly text: string
  readonly at: number
}

export interface Arrivals {
  readonly url: string
  readonly all: ReadonlyArray<Arrival>
}

/** Takes every message, until the scope closes. */
export const receive = Effect.gen(function* () {
  const all: Array<Arrival> = []
  const now = Runtime.runSync(yield* Effect.runtime())
  const { url } = yield* WebhookReceiver.make(({ body, headers, text }) => {
    all.push({
      message: headers["webhook-id"] ?? "",
      executionId: body.data.execution.executionId,
      text,
      at: now(Clock.currentTimeMillis)
    })
    return "takes"
  })
  const arrivals: Arrivals = { url, all }
  return arrivals
})

/** Waits until nothing is left to be sent. */
const settled = Caller.get("/api/sandbox/metrics").pipe(
  Effect.filterOrFail(
    ({ webhooks }) => webhooks?.pending === 0,
    ({ webhooks }) => webhooks
  ),
  Effect.retry({ times: 60, schedule: Schedule.spaced("1 second") }),
  Effect.match({
    onFailure: (webhooks) => [`webhooks are not all sent: ${JSON.stringify(webhooks)}`],
    onSuccess: () => []
  })
)

const groupBy = (all: ReadonlyArray<Arrival>) => {
  const groups = new Map<string, Array<Arrival>>()
  for (const arrival of all)
    groups.set(arrival.executionId, [...(groups.get(arrival.executionId) ?? []), arrival])
  return groups
}

/** A copy may come twice when its sender came to harm after it sent the first, and before it wrote that down. */
const flawsOf =
  (harms: ReadonlyArray<Harm>, ended: ReadonlySet<string>) => (group: ReadonlyArray<Arrival>) => {
    const [first] = group
    const last = group.at(-1)
    if (first === undefined || last === undefined) return []
    const { executionId } = first
    const isHarmed = harms.some(({ from, until }) => from <= last.at && first.at <= until)
    return [
      ...(ended.has(executionId) ? [] : [`${executionId} is told of and has not ended`]),
      ...(new Set(group.map(({ message }) => message)).size === 1
        ? []
        : [`${executionId} has several messages`]),
      ...(new Set(group.map(({ text }) => text)).size === 1
        ? []
        : [`${executionId} is told in different words`]),
      ...(group.length > 1 && !isHarmed ? [`${executionId} is told ${group.length} times`] : [])
    ]
  }

/** What was answered and should be told, and was not. */
const untold = (journal: Journal, told: ReadonlySet<string>) =>
  journal.flatMap(({ answer, request }) => {
    const isDue = request.webhook !== undefined && answer?.status === 200
    return isDue && !told.has(answer.body.executionId) ? [`${answer.body.executionId} is told to nobody`] : []
  })

/** Every end is told once: in one message, of which another copy comes only where its sender came to harm. */
export const check = Effect.fnUntraced(function* (
  { all }: Arrivals,
  journal: Journal,
  harms: ReadonlyArray<Harm>,
  ended: ReadonlySet<string>
) {
  const unsettled = yield* settled
  const groups = groupBy(all)
  return {
    told: groups.size,
    copies: all.length - groups.size,
    violations: [
      ...unsettled,
      ...[...groups.values()].flatMap(flawsOf(harms, ended)),
      ...new Set(untold(journal, new Set(groups.keys())))
    ]
  }
})
