import type { Artifact, ExecutionResult } from "@bulkhead/domain"
import { useState } from "preact/hooks"
import { segment } from "../../api/Requests.js"
import { Text } from "../../parts/Text.js"
import { bytes } from "../../text/Format.js"
import { visible } from "../../text/Visible.js"
import { addressOf, kindOf, Preview } from "./Previews.js"

const Kept = ({ executionId, artifact }: { readonly executionId: string; readonly artifact: Artifact }) => {
  const [isOpen, setOpen] = useState(false)
  const kind = kindOf(artifact)
  return (
    <li>
      <div class="file">
        <a href={addressOf(executionId, artifact)} download>
          <Text value={artifact.name} />
        </a>
        <span class="quiet">
          {bytes(artifact.size)}, <Text value={artifact.mediaType} most={60} />
        </span>
        {kind && (
          <button
            type="button"
            aria-expanded={isOpen}
            aria-label={`Preview of ${visible(artifact.name)}`}
            onClick={() => setOpen(!isOpen)}
          >
            Preview
          </button>
        )}
      </div>
      {kind && isOpen && <Preview kind={kind} executionId={executionId} artifact={artifact} />}
    </li>
  )
}

/** The files that it left: those that are kept, and why others are not. */
export const Artifacts = ({ result }: { readonly result: ExecutionResult }) => {
  const { artifacts, executionId, rejectedArtifacts, rejectedCounts = [] } = result
  if (artifacts.length === 0 && rejectedArtifacts.length === 0) return null
  return (
    <section class="card">
      <header>
        <h2>Artifacts</h2>
        {artifacts.length > 1 && (
          <a href={`/dashboard/api/executions/${segment(executionId)}/artifacts.zip`} download>
            All as one zip
          </a>
        )}
      </header>
      <ul class="files">
        {artifacts.map((artifact) => (
          <Kept key={artifact.name} executionId={executionId} artifact={artifact} />
        ))}
      </ul>
      {rejectedArtifacts.length > 0 && (
        <>
          <h3>Not kept</h3>
          <ul>
            {rejectedArtifacts.map(({ name, reason }, index) => (
              <li key={index}>
                <Text value={name} />: <Text value={reason} most={400} />
              </li>
            ))}
          </ul>
          {rejectedCounts.map(({ count, reason }) => (
            <p key={reason} class="quiet">
              {count} in all: <Text value={reason} most={400} />
            </p>
          ))}
        </>
      )}
    </section>
  )
}
