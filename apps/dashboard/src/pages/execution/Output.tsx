import type { ExecutionResult } from "@bulkhead/domain"
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks"
import { isSignedIn } from "../../api/Session.js"
import { Scroll } from "../../parts/Scroll.js"
import { count } from "../../text/Format.js"
import { visibleLines } from "../../text/Visible.js"
import { follow, type LiveOutput } from "./LiveOutput.js"

/** Characters of a result's stream that are shown until more is asked for. */
const usual = 64 * 1024

/** Text that only grows keeps what somebody has selected in it: other text would take its place. */
const write = (place: HTMLPreElement, words: string) => {
  const shown = place.firstChild
  if (!(shown instanceof CharacterData)) place.append(words)
  else if (words.startsWith(shown.data)) shown.appendData(words.slice(shown.data.length))
  else shown.data = words
}

const Shown = ({
  name,
  text,
  isLive = false
}: {
  readonly name: string
  readonly text: string
  readonly isLive?: boolean
}) => {
  const place = useRef<HTMLPreElement>(null)
  const words = useMemo(() => visibleLines(text), [text])
  useLayoutEffect(() => {
    const box = place.current?.parentElement
    if (!place.current || !box) return
    // Who has scrolled up reads on in peace.
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 200
    write(place.current, words)
    if (isLive && isAtEnd) box.scrollTop = box.scrollHeight
  }, [words])
  return (
    <Scroll name={name}>
      <pre ref={place} class="output" />
    </Scroll>
  )
}

const Kept = ({ name, text }: { readonly name: string; readonly text: string }) => {
  const [isWhole, setWhole] = useState(false)
  const left = text.length - usual
  if (text === "") return null
  return (
    <>
      <h3>{name}</h3>
      <Shown name={name} text={isWhole ? text : text.slice(0, usual)} />
      {left > 0 && !isWhole && (
        <button type="button" onClick={() => setWhole(true)}>
          Show {count(left)} more characters
        </button>
      )}
    </>
  )
}

/** What is kept of an execution that has ended. */
export const KeptOutput = ({ result }: { readonly result: ExecutionResult }) => (
  <section class="card">
    <h2>Output</h2>
    {result.stdout === "" && result.stderr === "" && <p class="empty">It wrote nothing.</p>}
    <Kept name="Standard output" text={result.stdout} />
    <Kept name="Standard error" text={result.stderr} />
    {result.output.truncated && <p class="quiet">Some of it is not kept.</p>}
  </section>
)

const Stream = ({
  name,
  text,
  dropped
}: {
  readonly name: string
  readonly text: string
  readonly dropped: number
}) =>
  text === "" ? null : (
    <>
      <h3>{name}</h3>
      {dropped > 0 && <p class="quiet">{count(dropped)} characters before this are not shown.</p>}
      <Shown name={name} text={text} isLive />
    </>
  )

/** What an execution writes, as it comes. */
export const StreamedOutput = ({
  executionId,
  onEnd
}: {
  readonly executionId: string
  readonly onEnd: () => void
}) => {
  const [output, setOutput] = useState<LiveOutput>()
  useEffect(() => {
    if (!isSignedIn.value) return
    const controller = new AbortController()
    setOutput(follow(executionId, onEnd, controller.signal))
    return () => controller.abort()
  }, [executionId, isSignedIn.value])
  if (output === undefined) return null
  const { isConnected, stderr, stdout, words } = output
  return (
    <section class="card">
      <header>
        <h2>Output</h2>
        <span class="quiet">{isConnected.value ? "as it comes" : "connecting…"}</span>
      </header>
      {words.value && <p class="quiet">{words.value}</p>}
      {stdout.value.text === "" && stderr.value.text === "" && <p class="empty">Nothing so far.</p>}
      <Stream name="Standard output" {...stdout.value} />
      <Stream name="Standard error" {...stderr.value} />
    </section>
  )
}
