import { Command, FileSystem } from "@effect/platform"
import { Config, Deferred, Effect, Option, Stream } from "effect"
import { MeasurementFailure } from "../Measurement.js"

/** Debian keeps the programs of each version of the server in a directory of their own, outside the path. */
const debian = "/usr/lib/postgresql"

const failure = (why: unknown) => new MeasurementFailure({ message: `PostgreSQL: ${String(why)}` })

const programs = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const versions = yield* Effect.orElseSucceed(fs.readDirectory(debian), () => [])
  const newestFirst = versions.toSorted((one, other) => Number(other) - Number(one))
  const path = yield* Effect.orElseSucceed(Config.string("PATH"), () => "")
  const places = [...newestFirst.map((version) => `${debian}/${version}/bin`), ...path.split(":")]
  return yield* Effect.findFirst(places, (place) =>
    Effect.orElseSucceed(fs.exists(`${place}/initdb`), () => false)
  )
})

interface Account {
  readonly uid: number
  readonly gid: number
}

/** As whom it runs where this process is root, as whom it refuses to run. */
const unprivileged = Effect.gen(function* () {
  if (process.getuid?.() !== 0) return Option.none<Account>()
  const fs = yield* FileSystem.FileSystem
  const lines = (yield* Effect.mapError(fs.readFileString("/etc/passwd"), failure)).split("\n")
  const named = (name: string) => lines.find((line) => line.startsWith(`${name}:`))
  const [, , uid, gid] = (named("postgres") ?? named("nobody") ?? "").split(":")
  return uid === undefined || gid === undefined
    ? yield* failure("it does not run as root, and there is no user postgres or nobody")
    : Option.some<Account>({ uid: Number(uid), gid: Number(gid) })
})

/** A command of PostgreSQL's, which ends with this process however that ends. */
const commandAs = (account: Option.Option<Account>, ...words: ReadonlyArray<string>) => {
  const identity = Option.match(account, {
    onNone: () => [],
    onSome: ({ gid, uid }) => [`--reuid=${uid}`, `--regid=${gid}`, "--clear-groups"]
  })
  return Command.make("setpriv", ...identity, "--pdeathsig", "INT", "--", ...words).pipe(
    Command.workingDirectory("/")
  )
}

const initialise = Effect.fnUntraced(function* (
  program: string,
  data: string,
  account: Option.Option<Account>
) {
  const words = ["-D", data, "-U", "bulkhead", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"]
  const code = yield* commandAs(account, program, ...words).pipe(
    Command.stderr("inherit"),
    Command.exitCode,
    Effect.mapError(failure)
  )
  if (code !== 0) return yield* failure(`initdb ended with ${code}`)
})

/**
 * A PostgreSQL of its own that listens on a socket alone and writes to the disk as one does that keeps its promises;
 * it ends with the scope. Gives its URL, or nothing where PostgreSQL is not installed.
 */
export const start = Effect.fn("PostgresServer.start")(function* () {
  const found = yield* programs
  if (Option.isNone(found)) return Option.none<string>()
  const fs = yield* FileSystem.FileSystem
  const directory = yield* Effect.mapError(fs.makeTempDirectoryScoped({ prefix: "bench-pg-" }), failure)
  const account = yield* unprivileged
  if (Option.isSome(account))
    yield* Effect.mapError(fs.chown(directory, account.value.uid, account.value.gid), failure)
  const data = `${directory}/data`
  yield* initialise(`${found.value}/initdb`, data, account)
  const options = ["-D", data, "-k", directory, "-c", "listen_addresses="]
  const server = yield* commandAs(account, `${found.value}/postgres`, ...options).pipe(
    Command.start,
    Effect.mapError(failure)
  )
  const ready = yield* Deferred.make<void, MeasurementFailure>()
  yield* server.stderr.pipe(
    Stream.decodeText(),
    Stream.splitLines,
    Stream.tap((line) =>
      line.includes("ready to accept connections") ? Deferred.succeed(ready, undefined) : Effect.void
    ),
    Stream.runFold("", (_, line) => line),
    Effect.orElseSucceed(() => ""),
    Effect.flatMap((last) => Deferred.fail(ready, failure(`it ended: ${last}`))),
    Effect.forkScoped
  )
  yield* Deferred.await(ready)
  return Option.some(`postgresql://bulkhead@${encodeURIComponent(directory)}/postgres`)
})
