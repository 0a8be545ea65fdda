import { Deferred, Effect, Exit } from "effect"
import { Limits } from "./Limits.js"
import { type CollectedOutput, Output } from "./Output.js"
import type { Program } from "./Program.js"
import type { SandboxCommand } from "./SandboxProvider.js"
import { type SupervisorReport, SupervisorVoice } from "./SupervisorReport.js"

/** What the supervisor in the sandbox said, as far as it has spoken. */
export interface Said {
  /** The kind of cgroup it found, or `none`. */
  readonly cgroup?: string
  readonly report?: SupervisorReport
}

/** Everything that is learned of a command while it runs. */
export interface CommandWatch {
  /** Completes when the program runs: under a supervisor when that says so, else when the command does. */
  readonly started: Deferred.Deferred<void>
  /** Completes when the program has written more than it may. */
  readonly flooded: Deferred.Deferred<void>
  readonly listener: Pick<SandboxCommand, "onStart" | "onOutput">
  /** What is known by now. */
  readonly learned: Effect.Effect<CollectedOutput & Said>
}

/** Watches the command of one program. */
export const make = Effect.fnUntraced(function* ({ nonce }: Program) {
  const started = yield* Deferred.make<void>()
  const flooded = yield* Deferred.make<void>()
  const begin = () => Deferred.unsafeDone(started, Exit.void)
  const output = new Output(yield* Limits, () => Deferred.unsafeDone(flooded, Exit.void))
  const said: { cgroup?: string; report?: SupervisorReport } = {}

  const plain: CommandWatch["listener"] = {
    onStart: begin,
    onOutput: (stream, text) => output.append(stream, text)
  }
  const supervised = (voice: SupervisorVoice): CommandWatch["listener"] => ({
    onOutput: (stream, text) => (stream === "stderr" ? voice.hear(text) : output.append(stream, text))
  })
  const voice =
    nonce === undefined
      ? undefined
      : new SupervisorVoice(nonce, {
          onStarted: (cgroup) => {
            said.cgroup = cgroup
            begin()
          },
          onReport: (report) => {
            said.report = report
          },
          onText: (text) => output.append("stderr", text)
        })

  const watch: CommandWatch = {
    started,
    flooded,
    listener: voice ? supervised(voice) : plain,
    learned: Effect.sync(() => {
      voice?.end()
      return { ...output.collected, ...said }
    })
  }
  return watch
})
