import { Guest, GuestShell } from "@bulkhead/guest"
import {
  type CommandEvent,
  type CommandExit,
  type OwnFiles,
  Sandbox,
  type SandboxCommand,
  type SandboxFailure
} from "@bulkhead/sandbox"
import { type Context, Data, Deferred, Duration, Effect, Option, Ref, type Scope, Stream } from "effect"
import * as ListingScript from "./ListingScript.js"

type SandboxService = Context.Tag.Service<Sandbox>

/** Bounds of what is looked at. */
export const bounds = {
  /** Files of the output directory, and what else is no directory. */
  entries: 1000,
  /** Directories within each other. */
  depth: 8,
  /** How long listing may take. */
  listing: Duration.seconds(20)
}

/** The kinds of entries; the first is the one that can be read. */
const kinds = [
  "file",
  "symlink",
  "fifo",
  "socket",
  "device",
  "mount",
  "linked",
  "deep",
  "unreadable",
  "unknown",
  "replaced"
] as const

/** An entry of the output directory. */
export interface ListedEntry {
  readonly kind: (typeof kinds)[number]
  /** Its path within the directory, cut after 300 bytes. */
  readonly path: Uint8Array
  /** Bytes of the whole path. */
  readonly pathBytes: number
  readonly size: number
  /** Bytes that are really there; the rest are holes. */
  readonly allocated: number
  /** Absent: it is no file, or was found too large to be opened. */
  readonly content?: Stream.Stream<Uint8Array, SandboxFailure>
}

export interface Listing {
  /** What is the last to be given up comes first. */
  readonly entries: ReadonlyArray<ListedEntry>
  /** How many there are beyond those that are looked at, and whether that is all. */
  readonly more: number
  readonly isCounted: boolean
}

/** Nothing can be collected, and why. */
export class NotListed extends Data.TaggedError("NotListed")<{ readonly reason: string }> {}

const notUnderstood = new NotListed({ reason: "the output directory could not be listed" })
const tookTooLong = new NotListed({ reason: "listing the output directory took too long" })
const notExecutable = new NotListed({
  reason: "artifacts cannot be collected where nothing of ours can be executed"
})

/** Far more than a thousand entries take. */
const mostListing = 2_097_152
/** What the program has put in the way of the tools that we need may be anything: nothing in a line is trusted. */
const linePattern = /^([a-z]+) (-1|\d{1,9}) (\d{1,16}) (\d{1,16}) (\d{1,9}) ((?:[0-9a-f]{2}){0,300})$/

const parseEntry =
  (sandbox: SandboxService, pid: string) =>
  (line: string): ListedEntry | undefined => {
    const [, word, fd, size, blocks, pathBytes, hex] = linePattern.exec(line) ?? []
    const kind = kinds.find((kind) => kind === word)
    if (kind === undefined || hex === undefined) return undefined
    return {
      kind,
      path: new Uint8Array(Buffer.from(hex, "hex")),
      pathBytes: Number(pathBytes),
      size: Number(size),
      allocated: Number(blocks) * 512,
      ...(fd === "-1" ? {} : { content: sandbox.read(`/proc/${pid}/fd/${fd}`) })
    }
  }

const parse = (sandbox: SandboxService, text: string): Effect.Effect<Listing, NotListed> => {
  const [first = "", ...lines] = text.trimEnd().split("\n")
  const [, pid] = /^pid (\d{1,9})$/.exec(first) ?? []
  const [, more, counted] = /^end (\d{1,9}) ([01])$/.exec(lines.pop() ?? "") ?? []
  if (pid === undefined || more === undefined || lines.length > bounds.entries) return notUnderstood
  const entries = lines.map(parseEntry(sandbox, pid)).filter((entry) => entry !== undefined)
  return entries.length < lines.length
    ? notUnderstood
    : Effect.succeed({ entries, more: Number(more), isCounted: counted === "1" })
}

const ofExit = ({ exitCode }: CommandExit): Effect.Effect<string, NotListed> => {
  if (exitCode === ListingScript.exitCodes.nothing) return Effect.succeed("pid 1\nend 0 1\n")
  return exitCode === ListingScript.exitCodes.notLooked ? notExecutable : notUnderstood
}

const lastLine = 20
const lastOf = (text: string) => text.slice(-lastLine)
const isWhole = (text: string) => /(^|\n)end \d{1,9} [01]\n$/.test(lastOf(text))

/** Its end is kept apart: to look at the text's own would copy all of it, for each of its pieces. */
interface Heard {
  readonly text: string
  readonly end: string
}

/** What a line of the listing has said. Without an exit it goes on. */
interface Answer {
  readonly text: string
  readonly exit?: CommandExit
}

/**
 * Runs one of the listing's lines until it has said all, or ended. What it holds open it holds as long as the scope.
 */
const run = Effect.fnUntraced(function* (sandbox: SandboxService, command: SandboxCommand) {
  const said = yield* Deferred.make<Answer, NotListed>()
  const heard = yield* Ref.make<Heard>({ text: "", end: "" })
  const hear = Effect.fnUntraced(function* (piece: string) {
    const { end, text } = yield* Ref.updateAndGet(heard, (before) => ({
      text: before.text + piece,
      end: lastOf(before.end + piece)
    }))
    if (text.length > mostListing) return yield* notUnderstood
    if (isWhole(end)) yield* Deferred.succeed(said, { text })
  })
  const see = (event: CommandEvent): Effect.Effect<void, NotListed> => {
    if (event._tag === "Output" && event.stream === "stdout") return hear(event.text)
    if (event._tag !== "Ended") return Effect.void
    return Effect.flatMap(Ref.get(heard), ({ text }) => Deferred.succeed(said, { text, exit: event.exit }))
  }
  yield* Stream.runForEach(Sandbox.events(sandbox, command), see).pipe(
    Effect.catchTag("SandboxFailure", ({ message }) => new NotListed({ reason: lowerCased(message) })),
    Effect.catchAll((failure) => Deferred.fail(said, failure)),
    Effect.forkScoped
  )
  return yield* Effect.timeoutFail(Deferred.await(said), {
    duration: bounds.listing,
    onTimeout: () => tookTooLong
  })
})

const textOf = ({ exit, text }: Answer) =>
  exit === undefined || isWhole(text) ? Effect.succeed(text) : ofExit(exit)

/** With the program in the image, or else with one that is sent along. */
const runLister = Effect.fnUntraced(function* (
  sandbox: SandboxService,
  env: Readonly<Record<string, string>>,
  lifetime: Duration.Duration
) {
  const first = yield* run(sandbox, { line: ListingScript.installed, env, lifetime })
  if (first.exit?.exitCode !== ListingScript.exitCodes.notInstalled) return yield* textOf(first)
  const packed = yield* Option.match(GuestShell.architectureIn(first.text), {
    onNone: () => Effect.succeed(""),
    onSome: (architecture) => Effect.orElseSucceed(Guest.packed(architecture), () => "")
  })
  const sent = { ...env, [GuestShell.variable]: packed }
  return yield* textOf(yield* run(sandbox, { line: ListingScript.sent, env: sent, lifetime }))
})

export interface ListingOptions {
  /** Its path in the home of the sandbox's user. */
  readonly outputDir: string
  /** Of a directory that is not for artifacts alone. */
  readonly only?: OwnFiles
  /** Larger files, in bytes, are listed, not opened. */
  readonly largest: number
  /** How many files are kept at most: a set of more is taken for a flood, and comes last. */
  readonly most: number
  /** How long what is a file stays open in the sandbox. */
  readonly hold: Duration.Duration
}

/** What is in the output directory. */
export const list = Effect.fn("OutputListing.list")(function* (
  sandbox: SandboxService,
  { hold, largest, most, only, outputDir }: ListingOptions
): Effect.fn.Return<Listing, NotListed, Scope.Scope> {
  const [seconds, holdSeconds] = [bounds.listing, hold].map((time) => Math.ceil(Duration.toSeconds(time)))
  const numbers = [bounds.entries, bounds.depth, largest, seconds, holdSeconds, most, only?.since ?? 0]
  const env = {
    // Its login shell must not read what the program has put into the user's home.
    HOME: "/",
    BULKHEAD_OUTPUT: outputDir,
    BULKHEAD_LIST: numbers.join(" "),
    ...(only === undefined ? {} : { BULKHEAD_FILE: only.program })
  }
  return yield* parse(sandbox, yield* runLister(sandbox, env, Duration.sum(bounds.listing, hold)))
})

const lowerCased = (message: string) => message.slice(0, 1).toLowerCase() + message.slice(1)
