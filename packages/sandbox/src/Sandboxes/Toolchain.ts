import type { Language } from "@bulkhead/domain"
import { Array as Arr, Context, Duration, Effect, Layer, Option } from "effect"
import * as SupervisorScript from "../Supervision/GuestScript.js"
import type { Sandbox, SandboxFailure, SandboxSize } from "./SandboxProvider.js"
import { Sandboxes } from "./SandboxSupply.js"

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
export interface Facts {
  readonly runtimes: ReadonlyArray<Runtime>
  /** How the supervisor can run in the sandbox: as root from its image, sent along as root or as the program's own user, or not at all. */
  readonly supervisor: "installed" | "root" | "user" | "none"
  readonly size: SandboxSize
}

type Versions = ReadonlyMap<string, string>

const tools = ["python3", "node", "bash", "deno", "bun", "tsx", "perl"]

/** One line a tool that is there: its name and whatever it says of its version; and a line if the supervisor is there. */
const probe = tools
  .map(
    (tool) => `command -v ${tool} >/dev/null && echo "${tool} $(${tool} --version 2>&1 | grep -m 1 [0-9])"`
  )
  .concat(`ls ${SupervisorScript.place}`, "true")
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

const supervisorOf = (output: string, user: "root" | "user", hasPerl: boolean): Facts["supervisor"] => {
  if (!hasPerl) return "none"
  const isInstalled = output.split("\n").includes(SupervisorScript.place)
  return isInstalled && user === "root" ? "installed" : user
}

/** What the probe's output says. */
const factsOf = (output: string, user: "root" | "user", size: SandboxSize): Facts => {
  const versions = parseVersions(output)
  return {
    runtimes: Arr.getSomes([python, javascript, typescript, bash].map((find) => find(versions))),
    supervisor: supervisorOf(output, user, versions.has("perl")),
    size
  }
}

const probeAs = Effect.fnUntraced(function* (sandbox: Context.Tag.Service<Sandbox>, user: "root" | "user") {
  let output = ""
  yield* sandbox.run({
    line: probe,
    user,
    env: {},
    lifetime: Duration.seconds(30),
    onOutput: (stream, text) => {
      if (stream === "stdout") output += text
    }
  })
  return factsOf(output, user, yield* sandbox.size)
})

/** As root if there is one. */
const probeSandbox = (sandbox: Context.Tag.Service<Sandbox>) =>
  probeAs(sandbox, "root").pipe(
    Effect.catchIf(
      (failure) => !failure.retryable && failure.phase === "start",
      () => probeAs(sandbox, "user")
    )
  )

/** What the provider's sandboxes can run. */
export class Toolchain extends Context.Tag("@bulkhead/sandbox/Toolchain")<
  Toolchain,
  {
    readonly facts: Effect.Effect<Facts, SandboxFailure>
    /** What was found already, if anything was. */
    readonly known: () => Facts | undefined
  }
>() {
  /** Looks into a sandbox the first time it is asked, and remembers what it found; a failure is not remembered. */
  static readonly layer: Layer.Layer<Toolchain, never, Sandboxes> = Layer.effect(
    Toolchain,
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      let found: Facts | undefined
      const oneAtATime = yield* Effect.makeSemaphore(1)
      const look = Effect.acquireUseRelease(
        sandboxes.create({ purpose: "toolchain" }, Duration.minutes(2)),
        probeSandbox,
        ({ release }) => release
      ).pipe(
        Effect.tap((facts) => {
          found = facts
        })
      )
      const orElse = (otherwise: Effect.Effect<Facts, SandboxFailure>) =>
        Effect.suspend(() => (found === undefined ? otherwise : Effect.succeed(found)))
      return { facts: orElse(oneAtATime.withPermits(1)(orElse(look))), known: () => found }
    })
  )

  /** Finds what it is told, without a sandbox. */
  static layerTest(facts: Facts): Layer.Layer<Toolchain> {
    return Layer.succeed(Toolchain, { facts: Effect.succeed(facts), known: () => facts })
  }
}
