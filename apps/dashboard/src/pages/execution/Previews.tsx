import type { Artifact } from "@bulkhead/domain"
import { dsvFormat } from "d3-dsv"
import { imageSize } from "image-size"
import { useMemo } from "preact/hooks"
import { segment, send } from "../../api/Requests.js"
import { useLoaded } from "../../api/useLoaded.js"
import { Failure } from "../../parts/Notice.js"
import { Scroll } from "../../parts/Scroll.js"
import { Text } from "../../parts/Text.js"
import { bytes } from "../../text/Format.js"
import { visible, visibleLines } from "../../text/Visible.js"

/** Bytes of a file that are read for a look at it. */
const mostRead = 128 * 1024
const mostRows = 100
const mostColumns = 30
/** What is shown of a text. */
const mostText = 16 * 1024
/** A picture of more takes gigabytes of the browser's memory, however small its file is. */
const mostPixels = 40_000_000
const mostImageBytes = 20 * 1024 * 1024

export type PreviewKind = "image" | "table" | "text"

const images = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/svg+xml"]

/** What can be shown of a file, by what the server found it to be. */
export const kindOf = ({ mediaType, name }: Artifact): PreviewKind | undefined => {
  const type = mediaType.replace(/;.*$/, "")
  if (images.includes(type)) return "image"
  if (type === "text/csv" || type === "text/tab-separated-values" || /\.(csv|tsv)$/i.test(name))
    return "table"
  return type.startsWith("text/") || type === "application/json" ? "text" : undefined
}

/** Where a file is: the server gives it out as a download in which nothing runs. */
export const pathOf = (executionId: string, { name }: Artifact) =>
  `/api/executions/${segment(executionId)}/artifacts/${name.split("/").map(segment).join("/")}`

export const addressOf = (executionId: string, artifact: Artifact) =>
  `/dashboard${pathOf(executionId, artifact)}`

const useStart = (path: string) =>
  useLoaded(
    async (signal) => {
      const response = await send(path, { headers: { range: `bytes=0-${mostRead - 1}` }, signal })
      return new Uint8Array(await response.arrayBuffer())
    },
    path,
    ""
  )

interface PreviewProps {
  readonly executionId: string
  readonly artifact: Artifact
}

/** How large a picture is, from its first bytes. It is one of a stranger's. */
const flawOf = (start: Uint8Array, { size }: Artifact): string | undefined => {
  if (size > mostImageBytes) return `It has ${bytes(size)}.`
  try {
    const { height, width } = imageSize(start)
    return width * height > mostPixels ? `It has ${width} × ${height} pixels.` : undefined
  } catch {
    return "How large it is cannot be told."
  }
}

const Image = ({ executionId, artifact }: PreviewProps) => {
  const { failure, value } = useStart(pathOf(executionId, artifact))
  if (value === undefined) return <Failure message={failure} />
  const flaw = flawOf(value, artifact)
  if (flaw !== undefined) return <p class="quiet">No preview. {flaw}</p>
  return (
    <img
      class="preview"
      src={addressOf(executionId, artifact)}
      alt={`What the program left as ${visible(artifact.name)}`}
      decoding="async"
    />
  )
}

const decode = (start: Uint8Array) => new TextDecoder().decode(start)

/** The last row may have been cut. */
const rowsOf = (text: string, delimiter: string, isCut: boolean) => {
  const rows = dsvFormat(delimiter).parseRows(text)
  return isCut ? rows.slice(0, -1) : rows
}

const delimiterOf = ({ mediaType, name }: Artifact, text: string) => {
  if (mediaType.startsWith("text/tab-separated-values") || /\.tsv$/i.test(name)) return "\t"
  const [first = ""] = text.split("\n", 1)
  return first.includes(";") && !first.includes(",") ? ";" : ","
}

const Table = ({ executionId, artifact }: PreviewProps) => {
  const { failure, value } = useStart(pathOf(executionId, artifact))
  const rows = useMemo(() => {
    if (value === undefined) return undefined
    const text = decode(value)
    return rowsOf(text, delimiterOf(artifact, text), artifact.size > mostRead)
  }, [value])
  if (rows === undefined) return <Failure message={failure} />
  const [head = [], ...others] = rows
  const isPart = artifact.size > mostRead || others.length > mostRows || head.length > mostColumns
  return (
    <Scroll name={`Table ${visible(artifact.name)}`}>
      <table class="preview">
        <thead>
          <tr>
            {head.slice(0, mostColumns).map((cell, index) => (
              <th key={index} scope="col">
                <Text value={cell} most={60} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {others.slice(0, mostRows).map((row, index) => (
            <tr key={index}>
              {row.slice(0, mostColumns).map((cell, column) => (
                <td key={column}>
                  <Text value={cell} most={120} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
      {isPart && <p class="quiet">This is its beginning.</p>}
    </Scroll>
  )
}

const Words = ({ executionId, artifact }: PreviewProps) => {
  const { failure, value } = useStart(pathOf(executionId, artifact))
  if (value === undefined) return <Failure message={failure} />
  return (
    <Scroll name={`Text ${visible(artifact.name)}`}>
      <pre class="output">{visibleLines(decode(value).slice(0, mostText))}</pre>
      {artifact.size > mostText && <p class="quiet">This is its beginning.</p>}
    </Scroll>
  )
}

const previews = { image: Image, table: Table, text: Words }

export const Preview = ({ kind, ...props }: PreviewProps & { readonly kind: PreviewKind }) => {
  const Shown = previews[kind]
  return <Shown {...props} />
}
