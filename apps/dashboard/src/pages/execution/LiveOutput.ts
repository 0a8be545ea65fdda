import type { ExecutionUpdate } from "@bulkhead/domain"
import { type Signal, signal } from "@preact/signals"
import { atBeat } from "../../api/Beat.js"
import { segment } from "../../api/Requests.js"
import { listen } from "../../api/Stream.js"

/** Characters of a stream that stay on the page while it comes; up to twice as many until its beginning is cut off. */
const most = 128 * 1024

export interface LiveText {
  readonly text: string
  /** Characters at its beginning that are here no more. */
  readonly dropped: number
}

export interface LiveOutput {
  readonly stdout: Signal<LiveText>
  readonly stderr: Signal<LiveText>
  /** What the stream says beside the output: how long the queue is, what was missed. */
  readonly words: Signal<string>
  readonly isConnected: Signal<boolean>
}

const empty: LiveText = { text: "", dropped: 0 }

const plus = ({ dropped, text }: LiveText, more: string): LiveText => {
  const all = text + more
  const over = all.length > 2 * most ? all.length - most : 0
  return { text: all.slice(over), dropped: dropped + over }
}

const wordsOf = (update: ExecutionUpdate): string | undefined => {
  switch (update.type) {
    case "queued":
      return `It waits, with ${update.ahead} ahead of it.`
    case "started":
      return ""
    case "retrying":
      return "The infrastructure failed, and it is run again: what it wrote before counts no more."
    case "missed":
      return "Some of its output came faster than it was read: the result has what is kept."
    default:
      return undefined
  }
}

/** What came since the last beat. */
interface Waiting {
  readonly stdout: string
  readonly stderr: string
  readonly words?: string | undefined
  /** What was shown before counts no more. */
  readonly isNew?: boolean
}

const nothing: Waiting = { stdout: "", stderr: "" }

const after = (waiting: Waiting, update: ExecutionUpdate): Waiting => {
  // Pages that are not seen have few beats.
  if (update.type === "stdout" || update.type === "stderr")
    return { ...waiting, [update.type]: (waiting[update.type] + update.text).slice(-most) }
  const words = wordsOf(update) ?? waiting.words
  return update.type === "retrying" ? { ...nothing, words, isNew: true } : { ...waiting, words }
}

/** Shows updates at the page's beat, however fast they come. */
const atBeats = (output: LiveOutput) => {
  let waiting: Waiting | undefined
  const write = (stream: "stdout" | "stderr", { [stream]: more, isNew }: Waiting) => {
    if (isNew || more !== "") output[stream].value = plus(isNew ? empty : output[stream].value, more)
  }
  const show = () => {
    const shown = waiting ?? nothing
    waiting = undefined
    write("stdout", shown)
    write("stderr", shown)
    output.words.value = shown.words ?? output.words.value
  }
  return (update: ExecutionUpdate) => {
    if (waiting === undefined) atBeat(show)
    waiting = after(waiting ?? nothing, update)
  }
}

/** Reads along with an execution until it is aborted. */
export const follow = (executionId: string, onEnd: () => void, abort: AbortSignal): LiveOutput => {
  const output: LiveOutput = {
    stdout: signal(empty),
    stderr: signal(empty),
    words: signal(""),
    isConnected: signal(false)
  }
  const show = atBeats(output)
  const take = (update: ExecutionUpdate) => {
    if (update.type === "result" || update.type === "ended") return onEnd()
    show(update)
  }
  listen(
    `/api/executions/${segment(executionId)}/events`,
    {
      onConnected: (now) => {
        output.isConnected.value = now
      },
      onRefused: (message) => {
        output.words.value = message
      },
      onEvent: ({ data }) => take(JSON.parse(data))
    },
    abort
  )
  return output
}
