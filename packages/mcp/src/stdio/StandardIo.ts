import type { Effect, Stream } from "effect"

/** The two ways between a client and the process that it has started. */
export interface StandardIo {
  /** What the client writes. Its end is the client's. */
  readonly input: Stream.Stream<Uint8Array>
  /** Sends one line, and returns once there is room for another. */
  readonly send: (line: string) => Effect.Effect<void>
}
