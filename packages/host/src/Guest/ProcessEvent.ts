/** What a process does, in the order in which it happens. */
export type ProcessEvent =
  | { readonly _tag: "Start"; readonly pid: number }
  | { readonly _tag: "Data"; readonly channel: "stdout" | "stderr"; readonly bytes: Buffer }
  /** The leader's wait status: the low seven bits are the signal, the high byte the exit code. */
  | { readonly _tag: "End"; readonly status: number }
