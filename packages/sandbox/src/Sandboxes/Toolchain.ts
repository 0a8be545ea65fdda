import type { Language } from "@bulkhead/domain"
import { Guest, GuestShell } from "@bulkhead/guest"
import { Array as Arr, Context, Duration, Effect, Fiber, Layer, Option, SynchronizedRef } from "effect"
import * as GuestProgram from "../Supervision/GuestProgram.js"
import { Sandbox, type SandboxCommand, SandboxFailure, type SandboxSize } from "./SandboxProvider.js"
import { SandboxSupply } from "./SandboxSupply.js"

/** How programs of one language are run. */
export interface Runtime {
  readonly language: Language
  /** What was found, for people: `python 3.11.2`. */
  readonly version: string
  /** The program's file in the working directory. */
  readonly file: string
  /** The words that run that file, separated by single blanks. */
  readonly command: string
  /** A shell line that fails exactly when the language's own parser refuses the file. */
  readonly check?: string
}

/** What a provider's sandboxes have. */
export interface ToolchainFacts {
  readonly runtimes: ReadonlyArray<Runtime>
  readonly supervisor: GuestProgram.GuestProgram
  readonly size: SandboxSize
}

type Versions = ReadonlyMap<string, string>

/** How long looking into a sandbox may take. */
const probeBound = Duration.seconds(30)

const tools = ["python3", "node", "bash", "deno", "bun", "tsx"]

/** One line a tool that is there: its name and whatever it says of its version. */
const probe = tools
  .map(
    (tool) => `command -v ${tool} >/dev/null && echo "${tool} $(${tool} --version 2>&1 | grep -m 1 [0-9])"`
  )
  .concat(GuestProgram.probe, "true")
  .join("; ")

const parseVersions = (output: string): Versions =>
  new Map(
    output.split("\n").flatMap((line) => {
      const [, tool, version] = /^(\w+) .*?(\d+(?:\.\d+)+)/.exec(line) ?? []
      return tool === undefined || version === undefined ? [] : [[tool, version] as const]
    })
  )

const atLeast = (version: string, [major, minor]: readonly [number, number]) => {
  const [foundMajor = 0, foundMinor = 0] = version.split(".").map(Number)
  return foundMajor > major || (foundMajor === major && foundMinor >= minor)
}

const runtime = (
  language: Language,
  tool: string,
  version: string,
  file: string,
  command: string,
  check?: string
): Runtime => ({
  language,
  version: `${tool} ${version}`,
  file,
  command: `${command} ${file}`,
  ...(check === undefined ? {} : { check })
})

const whenFound = (versions: Versions, tool: string, make: (version: string) => Option.Option<Runtime>) =>
  Option.flatMap(Option.fromNullable(versions.get(tool)), make)

const pythonCheck = `python3 -I -c 'compile(open("main.py", "rb").read(), "main.py", "exec")'`

// Node reads the file as CommonJS or as a module; only what is neither is invalid.
const nodeCheck = "node --check main.js || node --input-type=module --check < main.js"

const python = (versions: Versions) =>
  // Unbuffered, so that what a program printed before its end is not lost with it.
  whenFound(versions, "python3", (version) =>
    Option.some(runtime("python", "python", version, "main.py", "python3 -u", pythonCheck))
  )

const javascript = (versions: Versions) =>
  whenFound(versions, "node", (version) => {
    // From 22.7 on, and with this flag before, node itself tells modules from CommonJS.
    const flag = atLeast(version, [20, 10]) && !atLeast(version, [22, 7])
    const command = flag ? "node --no-warnings --experimental-detect-module" : "node"
    return Option.some(runtime("javascript", "node", version, "main.js", command, nodeCheck))
  })

const nodeTypeScript = (version: string) =>
  atLeast(version, [22, 18])
    ? Option.some("node")
    : atLeast(version, [22, 6])
      ? Option.some("node --no-warnings --experimental-strip-types")
      : Option.none()

const typescript = (versions: Versions) =>
  Option.firstSomeOf([
    whenFound(versions, "node", (version) =>
      Option.map(nodeTypeScript(version), (command) =>
        runtime("typescript", "node", version, "main.ts", command)
      )
    ),
    whenFound(versions, "deno", (version) =>
      Option.some(runtime("typescript", "deno", version, "main.ts", "deno run --allow-all --quiet"))
    ),
    whenFound(versions, "bun", (version) =>
      Option.some(runtime("typescript", "bun", version, "main.ts", "bun run"))
    ),
    whenFound(versions, "tsx", (version) =>
      Option.some(runtime("typescript", "tsx", version, "main.ts", "tsx"))
    )
  ])

const bash = (versions: Versions) =>
  whenFound(versions, "bash", (version) =>
    Option.some(runtime("bash", "bash", version, "main.sh", "bash", "bash -n main.sh"))
  )

/** Runs a command and gives what it wrote to its standard output. */
const ask = (command: Pick<SandboxCommand, "line" | "user" | "env">) =>
  Effect.map(Sandbox.output({ ...command, lifetime: probeBound }), ({ stdout }) => stdout)

const ourFault = ({ message }: Guest.GuestMissing) =>
  new SandboxFailure({ code: "INTERNAL_ERROR", phase: "run", message, retryable: false })

/** Sends the guest program along once, to see whether it can run. */
const trySending = Effect.fnUntraced(function* (user: "root" | "user", architecture: Guest.Architecture) {
  const packed = yield* Effect.mapError(Guest.packed(architecture), ourFault)
  const said = yield* ask({ ...GuestProgram.trial(packed), user })
  return Option.match(GuestProgram.directoryIn(said), {
    onNone: () => GuestProgram.GuestProgram.Absent(),
    onSome: (directory) => GuestProgram.GuestProgram.Sent({ user, directory, packed })
  })
})

const findSupervisor = Effect.fnUntraced(function* (user: "root" | "user", said: string) {
  const architecture = GuestShell.architectureIn(said)
  if (Option.isNone(architecture)) return GuestProgram.GuestProgram.Absent()
  const place = GuestProgram.placeIn(said, architecture.value)
  if (Option.isSome(place)) return GuestProgram.GuestProgram.Installed({ user, place: place.value })
  return yield* trySending(user, architecture.value)
})

const probeAs = Effect.fnUntraced(function* (user: "root" | "user") {
  const said = yield* ask({ line: probe, user, env: {} })
  const versions = parseVersions(said)
  const sandbox = yield* Sandbox
  return {
    runtimes: Arr.getSomes([python, javascript, typescript, bash].map((find) => find(versions))),
    supervisor: yield* findSupervisor(user, said),
    size: yield* sandbox.size
  } satisfies ToolchainFacts
})

/** As root if there is one. */
const probeSandbox = Effect.catchIf(
  probeAs("root"),
  ({ phase, retryable }) => !retryable && phase === "start",
  () => probeAs("user")
)

/** What the provider's sandboxes can run. */
export class Toolchain extends Context.Tag("@bulkhead/sandbox/Toolchain")<
  Toolchain,
  { readonly facts: Effect.Effect<ToolchainFacts, SandboxFailure> }
>() {
  /** Looks into a sandbox the first time it is asked, and remembers what it found; a failure is not remembered. */
  static readonly layer: Layer.Layer<Toolchain, never, SandboxSupply> = Layer.effect(
    Toolchain,
    Effect.gen(function* () {
      const supply = yield* SandboxSupply
      const look = Effect.provide(probeSandbox, supply.sandbox({ purpose: "toolchain" }, Duration.minutes(2)))
      const known = yield* SynchronizedRef.make<ToolchainFacts | undefined>(undefined)
      const lookOnce = SynchronizedRef.modifyEffect(known, (facts) =>
        Effect.map(facts === undefined ? look : Effect.succeed(facts), (found) => [found, found] as const)
      )
      // In a fiber of its own: whoever goes away must not take the look from those who wait for it too.
      const lookTogether = Effect.flatMap(Effect.forkDaemon(Effect.interruptible(lookOnce)), Fiber.join)
      return {
        facts: Effect.flatMap(SynchronizedRef.get(known), (facts) =>
          facts === undefined ? lookTogether : Effect.succeed(facts)
        )
      }
    })
  )

  /** Finds what it is told, without a sandbox. */
  static layerTest(facts: ToolchainFacts): Layer.Layer<Toolchain> {
    return Layer.succeed(Toolchain, { facts: Effect.succeed(facts) })
  }
}
