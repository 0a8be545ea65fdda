import type { ExecutionResult } from "@bulkhead/domain"
import { Mark } from "../../parts/Marks.js"
import { Text } from "../../parts/Text.js"
import * as Explanation from "./Explanation.js"

const Sentences = ({ title, all }: { readonly title: string; readonly all: ReadonlyArray<string> }) =>
  all.length === 0 ? null : (
    <>
      <h3>{title}</h3>
      <ul>
        {all.map((sentence) => (
          <li key={sentence}>
            <Text value={sentence} most={500} />
          </li>
        ))}
      </ul>
    </>
  )

/** What came of it, and what that rests on. */
export const Verdict = ({ result }: { readonly result: ExecutionResult }) => {
  const { error, findings = [], hints = [], notAnalysed, receipt } = result
  return (
    <section class="card">
      <h2>Verdict</h2>
      <p>
        <Text value={Explanation.ofVerdict(result)} most={500} />
      </p>
      {error && (
        <p>
          <Mark tone="quiet">{error.code}</Mark> <Text value={error.message} most={1000} />
        </p>
      )}
      <dl class="facts">
        {Explanation.ofMetrics(result).map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <Sentences
        title="Its receipt"
        all={receipt ? Explanation.ofReceipt(receipt) : ["No sandbox was asked for."]}
      />
      {receipt && (
        <>
          <h3>What held its limits</h3>
          <dl class="facts">
            {Object.entries(receipt.enforcement).map(([name, value]) => (
              <div key={name}>
                <dt>
                  <Text value={name} most={60} />
                </dt>
                <dd>
                  <Text value={value} />
                </dd>
              </div>
            ))}
          </dl>
        </>
      )}
      <Sentences title="Remarks" all={hints} />
      <Sentences
        title="What the look at its code found"
        all={[
          ...findings.map(({ line, message, rule }) => `${rule}, line ${line}: ${message}`),
          ...(notAnalysed === undefined ? [] : [`Not all of it was looked at: ${notAnalysed}`])
        ]}
      />
    </section>
  )
}
