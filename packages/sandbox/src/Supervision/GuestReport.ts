import { Survivors } from "@bulkhead/domain"
import { Option, Schema } from "effect"

/** What the supervisor in the sandbox says when all is over. */
export const GuestReport = Schema.Struct({
  /** Why it stopped the program; empty: the program ended by itself, or another wall stopped it. */
  reason: Schema.Literal("", "timeout", "cpu", "memory", "processes", "output"),
  /** Whether the program's own end was seen. */
  exited: Schema.Boolean,
  /** As `wait` gives it: the signal in the low seven bits, the exit code above eight. */
  status: Schema.Int,
  wallMs: Schema.Number,
  cpuMs: Schema.Number,
  peakBytes: Schema.Number,
  /** Processes that the memory limit killed while the program ran; 0 also where no cgroup counts them. */
  oomKills: Schema.Number,
  /** The limit that really held: the cgroup's, the program's, or what the machine has. */
  memoryLimitBytes: Schema.Number,
  forksRefused: Schema.Boolean,
  diskFull: Schema.Boolean,
  /** Whether the language's own parser refuses the program. */
  invalid: Schema.Boolean,
  /** Processes that the program left behind, and that were killed. */
  leftRunning: Schema.Number,
  /** Processes that outlived even that. */
  survivors: Survivors,
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
  /** When the program began, in microseconds since the epoch: no file that it wrote is dated earlier. */
  beganAtUs: Schema.NonNegativeInt,
  /**
   * Files that it made or changed in its home, but not in the output directory, and whether there may be more; of a few
   * of them the names, in hex.
   */
  outside: Schema.NonNegativeInt,
  outsideCut: Schema.Boolean,
  outsideNames: Schema.Array(Schema.String.pipe(Schema.pattern(/^([0-9a-f]{2}){1,255}$/))).pipe(
    Schema.maxItems(10)
  ),
  cgroup: Schema.String
})
export type GuestReport = typeof GuestReport.Type

const decode = Schema.decodeUnknownOption(Schema.parseJson(GuestReport))

/** What is heard on the stream that the guest's supervisor shares with the program. */
export type Heard =
  /** What the program itself wrote. */
  | { readonly _tag: "Text"; readonly text: string }
  /**
   * The supervisor begins to watch, and there is no program yet; with the kind of cgroup it found, or `none`, and the
   * names of the ways to itself that it could not shut.
   */
  | { readonly _tag: "Started"; readonly cgroup: string; readonly ways: ReadonlyArray<string> }
  | { readonly _tag: "Reported"; readonly report: GuestReport }

/** Tells the supervisor's lines from what the program writes to the same stream, however the stream is cut. */
export class GuestVoice {
  private readonly mark: string
  private pending = ""

  constructor(nonce: string) {
    this.mark = `\x1e${nonce} `
  }

  /** What a piece of the stream adds. The beginning of what may be a line of the supervisor is kept back. */
  hear(text: string): ReadonlyArray<Heard> {
    const heard: Array<Heard> = []
    this.pending += text
    for (let at = this.pending.indexOf(this.mark); at >= 0; at = this.pending.indexOf(this.mark)) {
      const end = this.pending.indexOf("\n", at)
      heard.push(...this.take(at))
      if (end < 0) return heard
      heard.push(...understood(this.pending.slice(this.mark.length, end - at)))
      this.pending = this.pending.slice(end - at + 1)
    }
    heard.push(...this.take(this.pending.length - this.partialMark()))
    return heard
  }

  /** What was kept back, once no more will come. */
  end(): ReadonlyArray<Heard> {
    return this.take(this.pending.length)
  }

  /** How much of the end may be the beginning of a mark. */
  private partialMark(): number {
    const start = this.pending.lastIndexOf("\x1e")
    return start >= 0 && this.mark.startsWith(this.pending.slice(start)) ? this.pending.length - start : 0
  }

  private take(length: number): ReadonlyArray<Heard> {
    const text = this.pending.slice(0, length)
    this.pending = this.pending.slice(length)
    return text === "" ? [] : [{ _tag: "Text", text }]
  }
}

const understood = (line: string): ReadonlyArray<Heard> => {
  const [, ways, cgroup] = /^started (\S+) (.+)$/.exec(line) ?? []
  if (ways !== undefined && cgroup !== undefined) {
    return [{ _tag: "Started", cgroup, ways: ways === "none" ? [] : ways.split(",") }]
  }
  return Option.match(decode(line), {
    onNone: () => [],
    onSome: (report) => [{ _tag: "Reported" as const, report }]
  })
}
