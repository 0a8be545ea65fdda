import { Either, Schema } from "effect"

/** What the supervisor in the sandbox says when all is over. */
export const SupervisorReport = Schema.Struct({
  /** Why it stopped the program; empty: the program ended by itself, or another wall stopped it. */
  reason: Schema.Literal("", "timeout", "cpu", "memory", "processes", "output"),
  /** Whether the program's own end was seen. */
  exited: Schema.Boolean,
  /** As `wait` gives it: the signal in the low seven bits, the exit code above eight. */
  status: Schema.Int,
  wallMs: Schema.Number,
  cpuMs: Schema.Number,
  peakBytes: Schema.Number,
  oomKills: Schema.Number,
  forksRefused: Schema.Boolean,
  diskFull: Schema.Boolean,
  /** Whether the language's own parser refuses the program. */
  invalid: Schema.Boolean,
  /** Processes that the program left behind, and that were killed. */
  leftRunning: Schema.Number,
  /** Processes that outlived even that. */
  survivors: Schema.Number,
  /** When the last of its processes was seen dead, since its start. */
  clearedMs: Schema.Number,
  signals: Schema.Array(Schema.Struct({ signal: Schema.Literal("SIGTERM", "SIGKILL"), atMs: Schema.Number })),
  stdoutBytes: Schema.Number,
  stderrBytes: Schema.Number,
  /** Bytes of either stream that were left out. */
  dropped: Schema.Number,
  /** Whether a share of the CPUs is all that the program can have. */
  cpuQuota: Schema.Boolean,
  /** Whether there is anything in the output directory, or something else in its place. */
  outputs: Schema.Boolean,
  cgroup: Schema.String
})
export type SupervisorReport = typeof SupervisorReport.Type

const decode = Schema.decodeUnknownEither(Schema.parseJson(SupervisorReport))

export interface Listener {
  /** The supervisor has begun to watch; with the kind of cgroup it found, or `none`. */
  readonly onStarted: (cgroup: string) => void
  readonly onReport: (report: SupervisorReport) => void
  /** What the program itself wrote. */
  readonly onText: (text: string) => void
}

/** Tells the supervisor's lines from what the program writes to the same stream, however the stream is cut. */
export class SupervisorVoice {
  private readonly mark: string
  private readonly listener: Listener
  private pending = ""

  constructor(nonce: string, listener: Listener) {
    this.mark = `\x1e${nonce} `
    this.listener = listener
  }

  hear(text: string): void {
    this.pending += text
    for (let at = this.pending.indexOf(this.mark); at >= 0; at = this.pending.indexOf(this.mark)) {
      const end = this.pending.indexOf("\n", at)
      this.tell(this.pending.slice(0, at))
      if (end < 0) {
        this.pending = this.pending.slice(at)
        return
      }
      this.understand(this.pending.slice(at + this.mark.length, end))
      this.pending = this.pending.slice(end + 1)
    }
    const held = this.partialMark()
    this.tell(this.pending.slice(0, this.pending.length - held))
    this.pending = this.pending.slice(this.pending.length - held)
  }

  /** Gives out what was held back, once no more will come. */
  end(): void {
    this.tell(this.pending)
    this.pending = ""
  }

  /** How much of the end may be the beginning of a mark. */
  private partialMark(): number {
    const start = this.pending.lastIndexOf("\x1e")
    return start >= 0 && this.mark.startsWith(this.pending.slice(start)) ? this.pending.length - start : 0
  }

  private tell(text: string): void {
    if (text !== "") this.listener.onText(text)
  }

  private understand(line: string): void {
    if (line.startsWith("started ")) this.listener.onStarted(line.slice("started ".length))
    else Either.match(decode(line), { onLeft: () => {}, onRight: this.listener.onReport })
  }
}
