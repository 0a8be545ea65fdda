import {
  faultOf,
  ImageManifest,
  type ImageName,
  imageManifestPath,
  mostManifestBytes
} from "@bulkhead/domain"
import { Guest, GuestShell } from "@bulkhead/guest"
import { TypeScriptRunner } from "@bulkhead/typescript"
import {
  Context,
  Duration,
  Effect,
  Either,
  Fiber,
  Layer,
  Option,
  Schema,
  Stream,
  SynchronizedRef
} from "effect"
import * as GuestProgram from "../Supervision/GuestProgram.js"
import { Images } from "./Images.js"
import * as Languages from "./Languages.js"
import {
  Sandbox,
  type SandboxCommand,
  SandboxFailure,
  type SandboxFile,
  type SandboxSize
} from "./SandboxProvider.js"
import { SandboxSupply } from "./SandboxSupply.js"

/** How programs of one language are run. */
export interface Runtime {
  readonly language: string
  /** What was found, for people: `python 3.11.2`. */
  readonly version: string
  /** The program's file in the working directory. */
  readonly file: string
  /** The words that run that file, separated by single blanks. */
  readonly command: string
  /** A shell line that fails exactly when the language's own parser refuses the file. */
  readonly check?: string
  /** Whether the service brings what runs it: `Toolchain.brought`. */
  readonly isBrought?: boolean
}

/** What a provider's sandboxes of one template have. */
export interface ToolchainFacts {
  readonly runtimes: ReadonlyArray<Runtime>
  readonly supervisor: GuestProgram.GuestProgram
  readonly size: SandboxSize
  /** What the image says of itself. Absent: nothing. */
  readonly manifest?: ImageManifest
}

/** How long looking into a sandbox may take. */
const probeBound = Duration.seconds(30)

const hasManifest = "has an image manifest"

/** One line a tool that is there: its name and whatever it says of its version. */
const probe = Languages.tools
  .map(
    (tool) => `command -v ${tool} >/dev/null && echo "${tool} $(${tool} --version 2>&1 | grep -m 1 [0-9])"`
  )
  .concat(`test -e ${imageManifestPath} && echo '${hasManifest}'`, GuestProgram.probe, "true")
  .join("; ")

const parseVersions = (output: string): Languages.Versions =>
  new Map(
    output.split("\n").flatMap((line) => {
      const [, tool, version] = /^(\w+) .*?(\d+(?:\.\d+)+)/.exec(line) ?? []
      return tool === undefined || version === undefined ? [] : [[tool, version] as const]
    })
  )

/** Runs a command and gives what it wrote to its standard output. */
const ask = (command: Pick<SandboxCommand, "line" | "user" | "env">) =>
  Effect.map(Sandbox.output({ ...command, lifetime: probeBound }), ({ stdout }) => stdout)

const ourFault = ({ message }: Guest.GuestMissing | TypeScriptRunner.RunnerMissing) =>
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

const brokenManifest = (wrong: string) =>
  new SandboxFailure({
    code: "INTERNAL_ERROR",
    phase: "create",
    message: `The image is broken: its manifest ${wrong}`,
    retryable: false
  })

const decodeManifest = Schema.decodeUnknownEither(Schema.parseJson(ImageManifest))

/** What an image says of itself; it is data like any that comes from a sandbox. */
const readManifest = Effect.gen(function* () {
  const sandbox = yield* Sandbox
  const text = yield* Stream.runFoldWhile(
    sandbox.read(imageManifestPath),
    Buffer.alloc(0),
    (sofar) => sofar.length <= mostManifestBytes,
    (sofar, piece) => Buffer.concat([sofar, piece])
  )
  if (text.length > mostManifestBytes)
    return yield* brokenManifest(`is larger than ${mostManifestBytes} bytes`)
  const decoded = decodeManifest(text.toString())
  if (Either.isRight(decoded)) return decoded.right
  return yield* brokenManifest(`is not as it must be: ${faultOf(decoded.left, "it").message}`)
})

const probeAs = Effect.fnUntraced(function* (user: "root" | "user") {
  const said = yield* ask({ line: probe, user, env: {} })
  const manifest = said.split("\n").includes(hasManifest) ? yield* readManifest : undefined
  const rows = Languages.withAdded(Languages.found(parseVersions(said)), manifest?.languages)
  const sandbox = yield* Sandbox
  return {
    runtimes: rows.map(({ name, ...row }): Runtime => ({ language: name, ...row })),
    supervisor: yield* findSupervisor(user, said),
    size: yield* sandbox.size,
    ...(manifest && { manifest })
  } satisfies ToolchainFacts
})

/** As root if there is one. */
const probeSandbox = Effect.catchIf(
  probeAs("root"),
  ({ phase, retryable }) => !retryable && phase === "start",
  () => probeAs("user")
)

type Facts = Effect.Effect<ToolchainFacts, SandboxFailure>

/** What a look came to. */
type Found = Either.Either<ToolchainFacts, SandboxFailure>

/** How long what cannot be used is not looked into again. */
const refusalBound = Duration.seconds(10)

/** Whether the next look would come to the same. What is down is another matter, and the circuit breaker's. */
const isRefused = (found: Found) =>
  Either.isLeft(found) && found.left.code === "INTERNAL_ERROR" && !found.left.retryable

/**
 * What a look finds, remembered once there is one, and for a while why there is none. Whoever asks meanwhile waits for
 * the same look.
 */
const remembered = Effect.fnUntraced(function* (look: Facts) {
  const scope = yield* Effect.scope
  const known = yield* SynchronizedRef.make<Found | undefined>(undefined)
  const forgetLater = Effect.forkIn(Effect.delay(SynchronizedRef.set(known, undefined), refusalBound), scope)
  const lookNow = Effect.either(look).pipe(
    Effect.tap((found) => (isRefused(found) ? forgetLater : Effect.void)),
    Effect.map((found) => [found, Either.isRight(found) || isRefused(found) ? found : undefined] as const)
  )
  const lookOnce = SynchronizedRef.modifyEffect(known, (found) =>
    found === undefined ? lookNow : Effect.succeed([found, found] as const)
  )
  // In a fiber of its own: whoever goes away must not take the look from those who wait for it too.
  const lookTogether = Effect.flatMap(Effect.forkDaemon(Effect.interruptible(lookOnce)), Fiber.join)
  return Effect.flatMap(SynchronizedRef.get(known), (found) =>
    Effect.flatten(found === undefined ? lookTogether : Effect.succeed(found))
  )
})

/** What the provider's sandboxes can run. */
export class Toolchain extends Context.Tag("@bulkhead/sandbox/Toolchain")<
  Toolchain,
  {
    /** Of the plain sandboxes. */
    readonly facts: Effect.Effect<ToolchainFacts, SandboxFailure>
    /** Of those that are made from one of the `Images`. */
    readonly factsOf: (image: ImageName) => Effect.Effect<ToolchainFacts, SandboxFailure>
    /** What has to be written into a sandbox before a runtime can run there that the service brings. */
    readonly brought: Effect.Effect<ReadonlyArray<SandboxFile>, SandboxFailure>
  }
>() {
  /**
   * Looks into a sandbox the first time it is asked, into one of each image, and remembers what it found; for ten
   * seconds also that it cannot be used. A failure for the moment is not remembered.
   */
  static readonly layer: Layer.Layer<Toolchain, never, SandboxSupply> = Layer.scoped(
    Toolchain,
    Effect.gen(function* () {
      const supply = yield* SandboxSupply
      const images = yield* Images
      const lookInto = (template?: string) =>
        remembered(
          Effect.provide(
            probeSandbox,
            supply.sandbox(
              { purpose: "toolchain" },
              { lifetime: Duration.minutes(2), ...(template && { template }) }
            )
          )
        )
      const facts = yield* lookInto()
      const known = new Map(
        yield* Effect.forEach(images, ([image, template]) =>
          Effect.map(lookInto(template), (found) => [image, found] as const)
        )
      )
      return {
        facts,
        factsOf: (image) => known.get(image) ?? Effect.die(`there is no image ${image}`),
        brought: yield* Effect.cached(Effect.mapError(TypeScriptRunner.files, ourFault))
      }
    })
  )

  /** Finds what it is told, without a sandbox; in images the same unless told. */
  static layerTest(
    facts: ToolchainFacts,
    images: Readonly<Record<ImageName, ToolchainFacts>> = {}
  ): Layer.Layer<Toolchain> {
    return Layer.succeed(Toolchain, {
      facts: Effect.succeed(facts),
      factsOf: (image) => Effect.succeed(images[image] ?? facts),
      brought: Effect.succeed([])
    })
  }
}
