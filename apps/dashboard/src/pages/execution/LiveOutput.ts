import type { ExecutionUpdate } from "@bulkhead/domain"
import { type Signal, signal } from "@preact/signals"
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

/** Shows output at the pace of the screen, however fast it comes. */
const atFrames = (output: LiveOutput) => {
  let waiting = { stdout: "", stderr: "" }
  const show = () => {
    const { stderr, stdout } = waiting
    waiting = { stdout: "", stderr: "" }
    if (stdout) output.stdout.value = plus(output.stdout.value, stdout)
    if (stderr) output.stderr.value = plus(output.stderr.value, stderr)
  }
  return (stream: "stdout" | "stderr", text: string) => {
    if (waiting.stdout === "" && waiting.stderr === "") requestAnimationFrame(show)
    // Pages that are not seen have no frames.
    waiting[stream] = (waiting[stream] + text).slice(-most)
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
  const write = atFrames(output)
  const take = (update: ExecutionUpdate) => {
    if (update.type === "stdout" || update.type === "stderr") return write(update.type, update.text)
    if (update.type === "result" || update.type === "ended") return onEnd()
    if (update.type === "retrying") {
      output.stdout.value = empty
      output.stderr.value = empty
    }
    output.words.value = wordsOf(update) ?? output.words.value
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
