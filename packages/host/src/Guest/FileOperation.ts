import { Effect, Option, Ref, Schema, type Scope, Stream } from "effect"
import { GuestFileError, GuestFileErrorKind, type RpcRefused } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as GuestProcess from "./GuestProcess.js"
import type { GuestSandbox } from "./GuestSandbox.js"
import type { ProcessEvent } from "./ProcessEvent.js"

const MOST_LISTING_BYTES = 16 * 1024 * 1024
const MOST_ERROR_CHARACTERS = 4096

const fromRpc = (error: RpcRefused) =>
  new GuestFileError({
    kind: error.code === "unavailable" || error.code === "invalid_argument" ? error.code : "internal",
    message: error.message
  })

const isKind = Schema.is(GuestFileErrorKind)

/** What an operation says on standard error about its failure: "kind NUL message", or a command's own words. */
const failure = (errors: string): GuestFileError => {
  const [kind, message] = errors.split("\0")
  if (message !== undefined) return new GuestFileError({ kind: isKind(kind) ? kind : "internal", message })
  const denied = /permission denied|not permitted|read-only/i.test(errors)
  return new GuestFileError({
    kind: denied ? "permission_denied" : "internal",
    message: errors.trim() || "the operation was ended"
  })
}

const standardOutput = (event: ProcessEvent, errors: Ref.Ref<string>) => {
  if (event._tag === "Data" && event.channel === "stdout") return Effect.succeed(Option.some(event.bytes))
  if (event._tag === "Data")
    return Effect.as(
      Ref.update(errors, (text) => (text + event.bytes.toString()).slice(0, MOST_ERROR_CHARACTERS)),
      Option.none()
    )
  if (event._tag === "End" && event.status !== 0)
    return Effect.flatMap(Ref.get(errors), (text) => Effect.fail(failure(text)))
  return Effect.succeed(Option.none())
}

/** An operation's standard output. Fails when the operation does. */
export const output = ({ subscriber }: GuestProcess.Started): Stream.Stream<Buffer, GuestFileError> =>
  Stream.unwrap(
    Effect.map(Ref.make(""), (errors) =>
      subscriber.events.pipe(
        Stream.mapError(fromRpc),
        Stream.mapEffect((event) => standardOutput(event, errors)),
        Stream.filterMap((bytes) => bytes)
      )
    )
  )

/** All that an operation says about files, once it has ended. */
export const collect = (started: GuestProcess.Started): Effect.Effect<string, GuestFileError> =>
  output(started).pipe(
    Stream.runFoldEffect({ size: 0, parts: [] as Array<Buffer> }, (all, bytes) => {
      all.parts.push(bytes)
      const size = all.size + bytes.length
      return size > MOST_LISTING_BYTES
        ? Effect.fail(
            new GuestFileError({
              kind: "too_large",
              message: "the listing is larger than 16 MiB: list less at once"
            })
          )
        : Effect.succeed({ size, parts: all.parts })
    }),
    Effect.map(({ parts }) => Buffer.concat(parts).toString())
  )

/** Starts an operation. It dies with its scope, whether or not it has ended. */
export const start = (
  sandbox: GuestSandbox,
  user: GuestUser,
  operation: ReadonlyArray<string>,
  input: boolean
): Effect.Effect<GuestProcess.Started, GuestFileError, Scope.Scope> =>
  sandbox.operateOnFiles(user, operation, input).pipe(
    Effect.mapError(fromRpc),
    Effect.tap(({ process }) => Effect.addFinalizer(() => GuestProcess.kill(process)))
  )
