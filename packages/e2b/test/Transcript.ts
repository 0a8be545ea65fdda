import { CommandEvent, type CommandExit } from "@bulkhead/sandbox"
import { Stream } from "effect"

/** What a command wrote until its end, and how it ended. */
export interface Transcript {
  readonly stdout: string
  readonly stderr: string
  readonly exit?: CommandExit
}

/** Follows a command to its end. */
export const of = <E, R>(events: Stream.Stream<CommandEvent, E, R>) =>
  Stream.runFold(
    events,
    { stdout: "", stderr: "" },
    (sofar: Transcript, event): Transcript =>
      CommandEvent.$match(event, {
        Started: () => sofar,
        Output: ({ stream, text }) => ({ ...sofar, [stream]: sofar[stream] + text }),
        Ended: ({ exit }) => ({ ...sofar, exit })
      })
  )
