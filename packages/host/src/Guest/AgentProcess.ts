import { Deferred, Effect, Exit, Mailbox } from "effect"
import { RpcRefused } from "../HostErrors.js"
import { ProcessOutput } from "./ProcessOutput.js"

/** What the agent has said of one process so far. */
export interface AgentProcess {
  /** Its pid in the sandbox, or why it did not start. */
  readonly started: Deferred.Deferred<number, RpcRefused>
  readonly output: ProcessOutput
  /** For each input that was sent, whether the process's pipe took all of it. Fails once there can be no answer. */
  readonly inputAnswers: Mailbox.Mailbox<boolean, RpcRefused>
  /** Done when it has ended, or its sandbox has. */
  readonly ended: Deferred.Deferred<void>
}

/** No input goes to a process that has ended, has closed its end, or was started without a pipe for it. */
export const inputRefused = new RpcRefused({
  code: "failed_precondition",
  message: "the process does not take input"
})

/** A process of which nothing has been heard; `onCredit` is called with the bytes that it may send more. */
export const make = (onCredit: (bytes: number) => void): Effect.Effect<AgentProcess> =>
  Effect.gen(function* () {
    return {
      started: yield* Deferred.make<number, RpcRefused>(),
      output: new ProcessOutput(onCredit),
      inputAnswers: yield* Mailbox.make<boolean, RpcRefused>(),
      ended: yield* Deferred.make<void>()
    }
  })

/** The agent says that it has started. */
export const onStarted = ({ output, started }: AgentProcess, pid: number): void => {
  output.publish({ _tag: "Start", pid })
  Deferred.unsafeDone(started, Effect.succeed(pid))
}

/** The agent says why it could not start it. */
export const onStartFailed = ({ started }: AgentProcess, reason: RpcRefused): void =>
  Deferred.unsafeDone(started, Effect.fail(reason))

const onEnd = ({ ended, inputAnswers }: AgentProcess, noMoreInput: RpcRefused): void => {
  inputAnswers.unsafeDone(Exit.fail(noMoreInput))
  Deferred.unsafeDone(ended, Effect.void)
}

/** The agent says that it has ended, with this wait status. */
export const onExited = (process: AgentProcess, status: number): void => {
  process.output.publish({ _tag: "End", status })
  onEnd(process, inputRefused)
}

/** The sandbox is gone, and the process with it; `lost` says how. */
export const onLost = (process: AgentProcess, lost: RpcRefused): void => {
  process.output.fail(lost)
  // Not `unavailable`, by which the SDK understands that nothing can have begun.
  const notStarted = new RpcRefused({ code: "failed_precondition", message: lost.message })
  Deferred.unsafeDone(process.started, Effect.fail(notStarted))
  onEnd(process, lost)
}
