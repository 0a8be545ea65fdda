import { createConnection, type Socket } from "node:net"
import { ArtifactScanner, ScanFailure, type ScanVerdict } from "@bulkhead/artifacts"
import {
  Config,
  ConfigError,
  Deferred,
  type Duration,
  Effect,
  Either,
  Layer,
  Option,
  type Scope,
  Stream
} from "effect"
import { type ClamavAddress, parseAddress } from "./ClamavAddress.js"

export interface ClamavOptions {
  /** Where clamd listens. */
  readonly address: ClamavAddress
  /** How long one file may take, from the connection to the verdict; 60 seconds unless told. */
  readonly timeout?: Duration.DurationInput
}

/** clamd's longest answer is the name of a signature. */
const mostReply = 4096

const failure = (message: string, cause?: unknown) =>
  new ScanFailure({ message, ...(cause === undefined ? {} : { cause }) })

interface Connection {
  readonly socket: Socket
  /** What clamd says in the end. Fails when it goes away without a word. */
  readonly reply: Deferred.Deferred<string, ScanFailure>
}

const connect = Effect.fnUntraced(function* (
  address: ClamavAddress
): Effect.fn.Return<Connection, never, Scope.Scope> {
  const reply = yield* Deferred.make<string, ScanFailure>()
  const settle = (effect: Effect.Effect<string, ScanFailure>) => Deferred.unsafeDone(reply, effect)
  const socket = yield* Effect.acquireRelease(
    Effect.sync(() => createConnection({ ...address })),
    (socket) => Effect.sync(() => socket.destroy())
  )
  let heard = ""
  socket.on("data", (bytes) => {
    heard += bytes.toString("latin1")
    const end = heard.indexOf("\0")
    if (end >= 0) settle(Effect.succeed(heard.slice(0, end)))
    else if (heard.length > mostReply) settle(failure("clamd's answer is too long"))
  })
  socket.on("error", (error) => settle(failure("clamd cannot be reached", error)))
  socket.on("close", () => settle(failure("clamd went away without an answer")))
  return { socket, reply }
})

/** Waits until there is room for more. A connection that breaks is known by its reply, so this just does not go on. */
const write = (socket: Socket, bytes: Uint8Array) =>
  Effect.async<void>((resume) => {
    socket.write(bytes, (error) => {
      if (!error) resume(Effect.void)
    })
  })

const frame = (bytes: Uint8Array) => {
  const framed = Buffer.allocUnsafe(4 + bytes.length)
  framed.writeUInt32BE(bytes.length)
  framed.set(bytes, 4)
  return framed
}

const verdictOf = (reply: string): Effect.Effect<ScanVerdict, ScanFailure> => {
  if (reply === "stream: OK") return Effect.succeed({ _tag: "Clean" })
  const [, name] = /^stream: (.+) FOUND$/.exec(reply) ?? []
  return name === undefined ? failure(`clamd answered: ${reply}`) : Effect.succeed({ _tag: "Infected", name })
}

const scan = ({ address, timeout = "60 seconds" }: ClamavOptions) =>
  Effect.fn("ClamavScanner.scan")(function* <E, R>(content: Stream.Stream<Uint8Array, E, R>) {
    const { socket, reply } = yield* connect(address)
    const send = Effect.gen(function* () {
      yield* write(socket, Buffer.from("zINSTREAM\0"))
      // A frame without bytes would be the last.
      yield* content.pipe(
        Stream.filter((bytes) => bytes.length > 0),
        Stream.runForEach((bytes) => write(socket, frame(bytes)))
      )
      yield* write(socket, frame(new Uint8Array(0)))
    })
    // clamd may answer before it has heard all.
    const answer = yield* Effect.raceFirst(Deferred.await(reply), Effect.zipRight(send, Effect.never)).pipe(
      Effect.timeoutFail({ duration: timeout, onTimeout: () => failure("clamd did not answer in time") })
    )
    return yield* verdictOf(answer)
  }, Effect.scoped)

/**
 * Scans with ClamAV's daemon, over its socket. Whatever is wrong with it is a failure, so that nothing passes
 * unscanned. clamd itself passes what is larger than its `MaxFileSize` unless `AlertExceedsMax` is set, and refuses
 * what is larger than its `StreamMaxLength`: set both sizes above the largest artifact.
 */
export const layer = (options: ClamavOptions): Layer.Layer<ArtifactScanner> =>
  Layer.succeed(ArtifactScanner, { scan: scan(options) })

/** A variable that is set to nothing counts as absent. */
const addressFromEnv = Config.primitive("the address of clamd", (text) =>
  text.trim() === "" ? Either.left(ConfigError.MissingData([], "expected an address")) : parseAddress(text)
).pipe(
  Config.nested("CLAMAV_ADDRESS"),
  Config.withDescription("where clamd listens: unix:/path or tcp:host:port"),
  Config.option
)

/** Scans where `CLAMAV_ADDRESS` says that clamd listens; without it, no file is scanned. */
export const layerFromEnv: Layer.Layer<ArtifactScanner, ConfigError.ConfigError> = Layer.unwrapEffect(
  Effect.map(
    addressFromEnv,
    Option.match({ onNone: () => ArtifactScanner.layerOff, onSome: (address) => layer({ address }) })
  )
)
