import type { ExecutionState, Verdict } from "@bulkhead/domain"
import { visible } from "../text/Visible.js"

/** How much a verdict calls for a look. */
const toneOfVerdict = (verdict: Verdict) => {
  switch (verdict) {
    case "Completed":
      return "good"
    case "InternalError":
      return "bad"
    case "Rejected":
    case "NonZeroExit":
      return "quiet"
    default:
      return "warn"
  }
}

const toneOfState = (state: ExecutionState) =>
  state === "ended" ? "quiet" : state === "queued" ? "wait" : "live"

export const Mark = ({ tone, children }: { readonly tone: string; readonly children: string }) => (
  <span class={`mark ${tone}`}>{visible(children, 40)}</span>
)

/** The verdict of an execution that has one, otherwise how far it is. */
export const ExecutionMark = ({
  state,
  verdict
}: {
  readonly state: ExecutionState
  readonly verdict?: Verdict
}) =>
  verdict === undefined ? (
    <Mark tone={toneOfState(state)}>{state}</Mark>
  ) : (
    <Mark tone={toneOfVerdict(verdict)}>{verdict}</Mark>
  )
