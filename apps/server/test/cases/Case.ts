import type { ExecutionRequestInput, ExecutionResult, Verdict } from "@bulkhead/domain"

/** A program or a request that means no harm, and what must come of it. */
export interface Case {
  readonly name: string
  /** Where a fault of this kind was reported. */
  readonly report?: string
  /** As it is sent: a client may write `null` for what it leaves out. */
  readonly request: Readonly<Record<string, unknown>> &
    Partial<Pick<ExecutionRequestInput, "code" | "language">>
  /** Commands of this machine without which the case says nothing. */
  readonly needs?: ReadonlyArray<string>
  /** 200 unless told. */
  readonly status?: number
  /** `Completed` unless told. */
  readonly verdict?: Verdict
  readonly stdout?: string | RegExp
  readonly stderr?: string | RegExp
  /** The same command on this machine prints the same. */
  readonly likeHere?: true
  /** The names of what is kept, in order; unless told, they are not looked at. */
  readonly kept?: ReadonlyArray<string>
  /** What the reasons of what is refused have in common. */
  readonly refused?: RegExp
  /** Longest time to the answer, in seconds, where it is the point; 90 unless told. */
  readonly within?: number
  readonly also?: (result: ExecutionResult) => void
}

export const python = (...lines: ReadonlyArray<string>) => ({
  language: "python" as const,
  code: lines.join("\n")
})
export const bash = (...lines: ReadonlyArray<string>) => ({
  language: "bash" as const,
  code: lines.join("\n")
})
export const javascript = (...lines: ReadonlyArray<string>) => ({
  language: "javascript" as const,
  code: lines.join("\n")
})
