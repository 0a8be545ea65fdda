import { type ThreadLost, ThreadPool } from "@bulkhead/threads"
import { Context, Data, Duration, Effect, Layer, Option, Ref, Stream } from "effect"
import type { ArtifactRules } from "./ArtifactKinds.js"
import * as FileInspection from "./Inspection/FileInspection.js"
import * as InspectionThread from "./Inspection/InspectionThread.js"

export type { Inspected } from "./Inspection/FileInspection.js"

/** A file could not be inspected, which is no fault of the file's. Whoever asked must not take it for good. */
export class InspectionFailure extends Data.TaggedError("InspectionFailure")<{
  /** For the operator's log alone. */
  readonly cause: unknown
}> {}

export interface InspectorOptions {
  /** Threads, and so files that are looked at at once. Default 2. */
  readonly threads?: number
  /** How long a thread may be busy with one file, waits for the file's bytes not counted. Default 10 seconds. */
  readonly timePerFile?: Duration.DurationInput
  /** MB of a thread's heap, of which it needs some 20 for any file. Default 64. */
  readonly memoryMB?: number
  /** The threads' program. Default: beside this package's modules, and so beside a bundle of them. */
  readonly program?: URL
}

const silent = new InspectionFailure({ cause: "the thread did not say what it found" })

type Thread = ThreadPool.PooledThread<InspectionThread.Request, InspectionThread.Answer>

const buffersOf = (request: InspectionThread.Request) =>
  request._tag === "Push" ? [request.bytes.buffer] : []

const isEnd = (reply: InspectionThread.Reply): reply is FileInspection.Inspected => reply._tag !== "GoOn"
const flawIn = (reply: InspectionThread.Reply) => (reply._tag === "Flawed" ? reply.flaw : undefined)

const flawed = (flaw: string): FileInspection.Inspected => ({ _tag: "Flawed", flaw })

const inspectWith = <E, R, E2>(
  inspection: FileInspection.FileInspection<E2>,
  content: Stream.Stream<Uint8Array, E, R>
) =>
  content.pipe(
    Stream.mapEffect(inspection.push),
    Stream.filter((flaw) => flaw !== undefined),
    Stream.runHead,
    Effect.flatMap(
      Option.match({ onNone: () => inspection.end, onSome: (flaw) => Effect.succeed(flawed(flaw)) })
    )
  )

const makeThreads = Effect.fnUntraced(function* (options: InspectorOptions) {
  const {
    memoryMB = 64,
    program = InspectionThread.defaultProgram,
    threads = 2,
    timePerFile = "10 seconds"
  } = options
  const pool = yield* ThreadPool.make<InspectionThread.Request, InspectionThread.Answer>({
    program,
    memoryMB,
    threads,
    timeToLive: "1 minute",
    // seek-bzip makes its buffers in an old way, which Node would tell the operator of.
    execArgv: ["--no-deprecation"]
  })
  const tooSlow = flawed(`it took longer than ${Duration.toSeconds(timePerFile)} s to inspect`)
  const tooLarge = flawed(`it took more than ${memoryMB} MB of memory to inspect`)
  const ofLoss = ({ cause, reason }: ThreadLost) =>
    reason === "OutOfMemory" ? Effect.succeed(tooLarge) : new InspectionFailure({ cause })

  /** What asks a thread about one file, in what is left of the file's time. */
  const asking =
    (thread: Thread, left: Ref.Ref<Duration.Duration>) =>
    (request: InspectionThread.Request): Effect.Effect<InspectionThread.Reply, InspectionFailure> =>
      Effect.flatMap(Ref.get(left), (time) => thread.ask(request, time, buffersOf(request))).pipe(
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.succeed(tooSlow),
            onSome: ({ busyMs, reply }) =>
              Effect.map(Ref.updateAndGet(left, Duration.subtract(busyMs)), (rest) =>
                Duration.toMillis(rest) > 0 ? reply : tooSlow
              )
          })
        ),
        Effect.catchTag("ThreadLost", ofLoss)
      )

  const inspect = Effect.fnUntraced(function* <E, R>(
    rules: ArtifactRules,
    content: Stream.Stream<Uint8Array, E, R>
  ) {
    const thread = yield* Effect.mapError(pool.get, ({ cause }) => new InspectionFailure({ cause }))
    const ask = asking(thread, yield* Ref.make(Duration.decode(timePerFile)))
    const begun = yield* ask({ _tag: "Begin", rules })
    if (begun._tag !== "GoOn") return begun
    // A copy is sent, since what is handed over is gone, and may be part of something else.
    const push = (bytes: Uint8Array) => ask({ _tag: "Push", bytes: new Uint8Array(bytes) })
    const end = Effect.filterOrFail(ask({ _tag: "End" }), isEnd, () => silent)
    return yield* inspectWith({ push: (bytes) => Effect.map(push(bytes), flawIn), end }, content)
  }, Effect.scoped)

  return ArtifactInspector.of({ inspect })
})

/** Whether a file is what it must be, which takes a look at each of its bytes. */
export class ArtifactInspector extends Context.Tag("@bulkhead/artifacts/ArtifactInspector")<
  ArtifactInspector,
  {
    /**
     * Reads a file, in pieces of any size, to its end or until something is wrong with it, and hashes it. Fails as the
     * file does when that cannot be read. A file that takes too much time or memory is flawed.
     */
    readonly inspect: <E, R>(
      rules: ArtifactRules,
      content: Stream.Stream<Uint8Array, E, R>
    ) => Effect.Effect<FileInspection.Inspected, InspectionFailure | E, R>
  }
>() {
  /**
   * Inspects in threads of their own, which are started when there is something to do, and end after an idle minute. A
   * file that takes too much ends its thread, and concerns no other file.
   */
  static readonly layer = (options: InspectorOptions = {}): Layer.Layer<ArtifactInspector> =>
    Layer.scoped(ArtifactInspector, makeThreads(options))

  /** Inspects in the caller's thread, without bounds: for tests. */
  static readonly layerMemory: Layer.Layer<ArtifactInspector> = Layer.succeed(ArtifactInspector, {
    inspect: (rules, content) => Effect.suspend(() => inspectWith(FileInspection.make(rules), content))
  })
}
