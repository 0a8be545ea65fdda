import { randomBytes } from "node:crypto"
import { Harmless } from "@bulkhead/domain"
import { Command } from "@effect/platform"
import { Deferred, Effect, Option, Redacted, Ref, Stream } from "effect"
import { Failure } from "../Failure.js"
import * as Project from "../Project.js"
import { showStatus, tell } from "../terminal/Output.js"
import * as Connection from "./Connection.js"

const secret = Effect.sync(() => randomBytes(24).toString("base64url"))

/** Its settings are those of the environment, but that nobody else can use it and that it keeps to itself. */
const command = (user: string, key: string, adminToken: string) =>
  Command.make(process.execPath, Project.script("start.mjs"), "attached").pipe(
    Command.env({
      HOST: "127.0.0.1",
      PORT: "0",
      ADMIN_API_TOKEN: adminToken,
      SANDBOX_API_KEYS: `${user}:${key}`,
      SANDBOX_EVENT_LOG: "off"
    })
  )

/** The server has ended before it was to. */
const endedEarly = (said: string) => {
  const words = said.split("\n").findLast((line) => line.startsWith("bulkhead: "))
  return new Failure({
    message: `the server of this command ended: ${Harmless.line(words?.slice("bulkhead: ".length) ?? said.slice(-500))}`
  })
}

/**
 * Starts a server of this command's own, which ends with the scope, or with this process however that ends. `ended`
 * fails when it ends before.
 */
export const start = Effect.fn("OwnServer.start")(function* (user: string) {
  if (/[:,]/.test(user))
    return yield* new Failure({ message: "--user: without --server, expected a name without : and ," })
  const [key, adminToken] = yield* Effect.all([secret, secret])
  const process = yield* Effect.mapError(
    Command.start(command(user, key, adminToken)),
    () => new Failure({ message: "no server could be started: is Node in order, and the clone whole?" })
  )
  const said = yield* Ref.make("")
  const url = yield* Deferred.make<string>()
  const listen = Stream.runForEach(Stream.splitLines(Stream.decodeText(process.stderr)), (line) => {
    const address = /^Bulkhead is listening on (http:\S+)$/.exec(line)?.[1]
    return address === undefined
      ? Ref.update(said, (before) => `${before}${line}\n`.slice(-4000))
      : Deferred.succeed(url, address)
  })
  // What is installed first is said there.
  const setup = Stream.runForEach(Stream.splitLines(Stream.decodeText(process.stdout)), (line) =>
    line.startsWith("{") ? Effect.void : tell(Harmless.line(line))
  )
  yield* Effect.forkScoped(setup)
  const reading = yield* Effect.forkScoped(listen)
  const ended = Effect.exit(process.exitCode).pipe(
    Effect.zipRight(reading.await),
    Effect.zipRight(Ref.get(said)),
    Effect.flatMap((said) => Effect.fail(endedEarly(said)))
  )
  const address = yield* showStatus("a server starts for this run").pipe(
    Effect.zipRight(Effect.raceFirst(Deferred.await(url), ended)),
    Effect.scoped
  )
  return { ...(yield* Connection.open(address, Option.some(Redacted.make(key)))), ended }
})
