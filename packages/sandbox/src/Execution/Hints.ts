import { cut, type NetworkPolicy, shownPath, type Verdict } from "@bulkhead/domain"
import type { CollectedArtifacts } from "../ArtifactCollector.js"
import type { GuestReport } from "../Supervision/GuestReport.js"
import * as NetworkHints from "./NetworkHints.js"

/** What a result's remarks are made of. */
export interface Remarkable {
  readonly verdict: Verdict
  /** Absent: no supervisor saw the program's end. */
  readonly report?: GuestReport
  readonly stderr: string
  /** Absent: the sandboxes hold to no policy. */
  readonly network?: NetworkPolicy
  /** Connections that were refused, some of them, in words. */
  readonly denied: ReadonlyArray<string>
  /** Where the program's artifacts were looked for. */
  readonly outputDir: string
  readonly collected: CollectedArtifacts
}

const mostHints = 10
const mostCharacters = 300
const megabyte = 1_048_576

const limitOf = ({ memoryLimitBytes }: GuestReport) => `${Math.round(memoryLimitBytes / megabyte)} MB`
const plural = (count: number, one: string, many: string) => (count === 1 ? `1 ${one}` : `${count} ${many}`)

/** Where what a runtime says at its end is to be found: behind it comes at most a trace of its own calls. */
const lastWords = 8192

/** What runtimes say when they give up for want of memory, at the beginning of a line. */
const wordsOfWant: ReadonlyArray<RegExp> = [
  // Node and other programs on V8.
  /^FATAL ERROR: .*heap out of memory$/m,
  /^(Exception in thread .*|Caused by: )?java\.lang\.OutOfMemoryError\b/m,
  /^fatal error: (runtime: )?(out of memory|cannot allocate memory)/m,
  /^ {2}what\(\): {2}std::bad_alloc$/m,
  /^memory allocation of \d+ bytes failed/m
]

/** The last line of a Python program, numpy's too. */
const memoryError = /^([\w.]+\.)?_?(Array)?MemoryError(: |$)/

const saysWantOfMemory = (stderr: string) => {
  const end = stderr.slice(-lastWords).trimEnd()
  const lastLine = end.slice(end.lastIndexOf("\n") + 1)
  return memoryError.test(lastLine) || wordsOfWant.some((words) => words.test(end))
}

/** A program that has failed by itself, so that a text that it merely prints tells nothing. */
const hasFailed = (verdict: Verdict) => verdict === "NonZeroExit" || verdict === "Signalled"

const ofMemory = ({ report, stderr, verdict }: Remarkable) => {
  if (report === undefined) return []
  if (verdict === "Completed" && report.oomKills > 0) {
    const killed = plural(report.oomKills, "process", "processes")
    return [
      `The memory limit of ${limitOf(report)} killed ${killed} of the program, which ended well all the same.`
    ]
  }
  if (!hasFailed(verdict) || !saysWantOfMemory(stderr)) return []
  const peak = `${Math.round(report.peakBytes / megabyte)} MB`
  return [
    `By its last words the program ran out of memory: it had ${peak}, its limit is ${limitOf(report)}, and its language may set a lower one.`
  ]
}

const ofDisk = ({ report, verdict }: Remarkable) =>
  report?.diskFull && verdict === "Completed"
    ? ["The disk was full while the program ran: files that it wrote may be cut short."]
    : []

const nameOf = (hex: string) => shownPath(Buffer.from(hex, "hex").toString())

const ofFilesOutside = ({ outputDir, report }: Remarkable) => {
  if (report === undefined || report.outside === 0) return []
  const names = report.outsideNames.map(nameOf)
  const others = report.outside - names.length
  const all = [...names, ...(others > 0 ? [`${others} more`] : [])].join(", ")
  const atLeast = report.outsideCut ? "At least " : ""
  const where = `${atLeast}${plural(report.outside, "file was", "files were")} left outside ${shownPath(outputDir)}/`
  const what = 'Write files into $SANDBOX_OUTPUT_DIR, or send outputDir "." to have them.'
  const room = mostCharacters - where.length - what.length - 4
  return [`${where}: ${cut(all, room)}. ${what}`]
}

const ofRejected = ({ collected: { artifacts, rejectedCounts = [] } }: Remarkable) => {
  const count = rejectedCounts.reduce((sum, { count }) => sum + count, 0)
  if (count === 0) return []
  return [
    `${plural(count, "file was", "files were")} not kept, beside ${artifacts.length} that were: rejectedCounts says why. Many files are kept best in one archive.`
  ]
}

/** What a caller may not expect, in sentences without any text of the program's that is not escaped. */
export const of = (about: Remarkable): ReadonlyArray<string> =>
  [
    ...ofMemory(about),
    ...ofDisk(about),
    ...NetworkHints.of(about),
    ...ofFilesOutside(about),
    ...ofRejected(about),
    ...(about.collected.hints ?? [])
  ]
    .slice(0, mostHints)
    .map((hint) => cut(hint, mostCharacters - 1))
