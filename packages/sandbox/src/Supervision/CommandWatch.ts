import type { LimitValues } from "../Limits.js"
import type { SandboxCommand } from "../Sandboxes/SandboxProvider.js"
import { type SupervisorReport, SupervisorVoice } from "./GuestReport.js"
import { type CollectedOutput, Output } from "./Output.js"
import type { Program } from "./Program.js"

/** What the supervisor in the sandbox said, as far as it has spoken. */
export interface Said {
  /** The kind of cgroup it found, or `none`. */
  readonly cgroup?: string
  readonly report?: SupervisorReport
}

/** What is heard of a program that runs. */
export interface Listener {
  /** The program runs: under a supervisor when that says so, else when the command does. */
  readonly onBegin: () => void
  /** The program has written more than it may. */
  readonly onFlood: () => void
}

/** Everything that is learned of a command while it runs. */
export interface CommandWatch {
  readonly listener: Pick<SandboxCommand, "onStart" | "onOutput">
  /** What is known by now. */
  readonly learned: () => CollectedOutput & Said
}

/** Watches the command of one program. */
export const make = (
  { nonce }: Program,
  limits: LimitValues,
  { onBegin, onFlood }: Listener
): CommandWatch => {
  const output = new Output(limits, onFlood)
  const said: { cgroup?: string; report?: SupervisorReport } = {}
  const voice =
    nonce === undefined
      ? undefined
      : new SupervisorVoice(nonce, {
          onStarted: (cgroup) => {
            said.cgroup = cgroup
            onBegin()
          },
          onReport: (report) => {
            said.report = report
          },
          onText: (text) => output.append("stderr", text)
        })
  return {
    listener: voice
      ? {
          onOutput: (stream, text) => (stream === "stderr" ? voice.hear(text) : output.append(stream, text))
        }
      : { onStart: onBegin, onOutput: (stream, text) => output.append(stream, text) },
    learned: () => {
      voice?.end()
      return { ...output.collected, ...said }
    }
  }
}
