import type { AuditVerification } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { get, wordsOf } from "../api/Requests.js"
import { Mark } from "../parts/Marks.js"
import { Failure, Status } from "../parts/Notice.js"
import { Scroll } from "../parts/Scroll.js"
import { Text } from "../parts/Text.js"
import { count } from "../text/Format.js"

type Chain = AuditVerification["chains"][number]

const kinds = {
  changed: "is not as it was written",
  missing: "is not there",
  reordered: "is not where it was"
} as const

const Row = ({ chain: { broken, checked, head, instance, intact } }: { readonly chain: Chain }) => (
  <tr>
    <td>
      <Text value={instance} most={80} />
    </td>
    <td>
      <Mark tone={intact ? "good" : "bad"}>{intact ? "intact" : "broken"}</Mark>
      {broken && ` event ${broken.sequence} ${kinds[broken.kind]}`}
    </td>
    <td class="number">{count(checked)}</td>
    <td>
      <code class="hash">{head ?? ""}</code>
    </td>
  </tr>
)

const Found = ({ verification }: { readonly verification: AuditVerification }) => (
  <>
    <p class={`notice ${verification.intact ? "good" : "bad"}`}>
      {verification.intact
        ? `The log is as it was written: all ${count(verification.checked)} events are there, in their order.`
        : `The log is not as it was written, or there is none. ${count(verification.checked)} events were looked at.`}
    </p>
    <Scroll name="The logs of all servers">
      <table>
        <thead>
          <tr>
            <th scope="col">Server</th>
            <th scope="col">Its log</th>
            <th scope="col" class="number">
              Events
            </th>
            <th scope="col">Hash of the last</th>
          </tr>
        </thead>
        <tbody>
          {verification.chains.map((chain) => (
            <Row key={chain.instance} chain={chain} />
          ))}
        </tbody>
      </table>
    </Scroll>
    <p class="quiet">Keep a hash elsewhere, and it proves later that nothing was cut off the end.</p>
  </>
)

/** Whether the log of what happened is as it was written. */
export const Audit = () => {
  const [isBusy, setBusy] = useState(false)
  const [found, setFound] = useState<AuditVerification>()
  const [failure, setFailure] = useState<string>()

  const verify = async () => {
    setBusy(true)
    setFailure(undefined)
    await get<AuditVerification>("/api/sandbox/audit/verify").then(setFound, (failed) =>
      setFailure(wordsOf(failed))
    )
    setBusy(false)
  }

  return (
    <>
      <h1>Audit</h1>
      <p class="quiet">
        Every event is chained to the one before it by a hash. This walks along all of it, which takes a while
        where it is long.
      </p>
      <p>
        <button type="button" class="primary" disabled={isBusy} onClick={verify}>
          Verify the log
        </button>
      </p>
      <Status>{isBusy ? "Walking along the log…" : found ? "Verified." : ""}</Status>
      <Failure message={failure} />
      {found && <Found verification={found} />}
    </>
  )
}
