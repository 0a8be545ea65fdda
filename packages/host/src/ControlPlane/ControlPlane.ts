import { Effect, Either, Redacted, Schema } from "effect"
import { RequestRefused } from "../HostErrors.js"
import type { HostNetwork, HostOptions } from "../HostOptions.js"
import * as Answer from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import * as JsonText from "../Http/JsonText.js"
import type { Route } from "../Http/Routes.js"
import type { Isolation } from "../Isolation/Isolation.js"
import * as Secrets from "../Secrets.js"
import * as SteadyClock from "../SteadyClock.js"
import * as NetworkAttempts from "./NetworkAttempts.js"
import * as NewSandbox from "./NewSandbox.js"
import * as SandboxInfo from "./SandboxInfo.js"
import * as SandboxList from "./SandboxList.js"
import type { Sample } from "./SandboxMetrics.js"
import type { LaunchRefused, SandboxTable } from "./SandboxTable.js"
import * as Timeout from "./Timeout.js"

/** Seconds that a sandbox lives where the client does not say, by the version of the route. */
const V1_TIMEOUT = 15
const V2_TIMEOUT = 300

const NewTimeout = Schema.Struct({ timeout: Timeout.Seconds })
/** `memory` says from what a paused sandbox is resumed. There is none here. */
const Connection = Schema.Struct({
  timeout: Schema.optional(Timeout.Seconds),
  memory: Schema.optional(Schema.Boolean)
})

const refuse = (status: number, message: string) => new RequestRefused({ status, message })
const badKey = refuse(401, "the API key is not valid")

const statusOf = (refusal: LaunchRefused): number => {
  switch (refusal._tag) {
    case "RequestRefused":
      return refusal.status
    case "NoFreeGpus":
    case "NoFreeSlot":
      return 429
    case "LaunchFailed":
      return 500
    case "LauncherDied":
    case "NoLauncher":
      return 503
  }
}

const refused = (refusal: LaunchRefused): Answer.Answer =>
  Answer.json(statusOf(refusal), { code: statusOf(refusal), message: refusal.message })

const bodyReader = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = JsonText.decoder(schema, { onExcessProperty: "error" })
  return (request: HttpRequest) =>
    request.body.pipe(
      Effect.mapError(({ message }) => refuse(400, message)),
      Effect.flatMap((bytes) =>
        Either.mapLeft(decode(bytes.length === 0 ? "{}" : bytes.toString()), (reason) =>
          refuse(400, `invalid request body: ${reason}`)
        )
      )
    )
}
const readNewSandbox = bodyReader(NewSandbox.NewSandbox)
const readNewTimeout = bodyReader(NewTimeout)
const readConnection = bodyReader(Connection)

const missing = (id: string) => refuse(404, `sandbox "${id}" not found`)

const find = (sandboxes: SandboxTable, id: string) =>
  Either.fromNullable(sandboxes.find(id), () => missing(id))

const create = (
  sandboxes: SandboxTable,
  { options, templates }: Pick<Isolation, "options" | "templates">,
  network: HostNetwork | undefined,
  defaultTimeout: number
) =>
  Effect.fnUntraced(function* (request: HttpRequest) {
    const asked = yield* readNewSandbox(request)
    const wanted = yield* NewSandbox.toRequest(asked, templates, defaultTimeout, options.maxLifetime, network)
    return Answer.json(201, SandboxInfo.connection(yield* sandboxes.create(wanted)))
  })

const list = (sandboxes: SandboxTable, options: HostOptions) => (request: HttpRequest) =>
  Effect.map(SandboxList.page(sandboxes.all(), request.query), ({ next, records }) =>
    Answer.json(
      200,
      records.map((record) => SandboxInfo.listed(record, options)),
      {
        "x-total-running": sandboxes.all().length,
        ...(next === undefined ? {} : { "x-next-token": next })
      }
    )
  )

const show = (sandboxes: SandboxTable, options: HostOptions) => (request: HttpRequest) =>
  Effect.map(find(sandboxes, request.id), (record) => Answer.json(200, SandboxInfo.shown(record, options)))

const kill = (sandboxes: SandboxTable) => (request: HttpRequest) =>
  Effect.flatMap(sandboxes.kill(request.id), (killed) =>
    killed ? Effect.succeed(Answer.empty(204)) : missing(request.id)
  )

const changeTimeout = (sandboxes: SandboxTable, { maxLifetime }: HostOptions) =>
  Effect.fnUntraced(function* (request: HttpRequest) {
    const record = yield* find(sandboxes, request.id)
    const { timeout } = yield* readNewTimeout(request)
    yield* sandboxes.setLifetime(record, yield* Timeout.toLifetime(timeout, V2_TIMEOUT, maxLifetime))
    return Answer.empty(204)
  })

/** Connecting gives a sandbox more time, never less. */
const connect = (sandboxes: SandboxTable, { maxLifetime }: HostOptions) =>
  Effect.fnUntraced(function* (request: HttpRequest) {
    const record = yield* find(sandboxes, request.id)
    const { timeout } = yield* readConnection(request)
    const lifetime = yield* Timeout.toLifetime(timeout, V2_TIMEOUT, maxLifetime)
    const now = yield* SteadyClock.now
    if (now + lifetime > record.deadline) yield* sandboxes.setLifetime(record, lifetime)
    return Answer.json(200, SandboxInfo.connection(record))
  })

/** A time in seconds since 1970 that a query names, or else `none`. */
const bound = (query: URLSearchParams, name: string, none: number) => {
  const given = query.get(name) ?? ""
  const seconds = given === "" ? none : Number(given)
  return Number.isNaN(seconds) ? refuse(400, `${name} takes seconds since 1970`) : Effect.succeed(seconds)
}

const measured = ({ at, ...sample }: Sample) => ({
  timestamp: SandboxInfo.time(at),
  timestampUnix: Math.floor(at / 1000),
  ...sample
})

const metrics = (sandboxes: SandboxTable) =>
  Effect.fnUntraced(function* (request: HttpRequest) {
    const record = yield* find(sandboxes, request.id)
    const start = yield* bound(request.query, "start", 0)
    const end = yield* bound(request.query, "end", Number.POSITIVE_INFINITY)
    const samples = (yield* record.metrics.read).map(measured)
    return Answer.json(
      200,
      samples.filter(({ timestampUnix }) => timestampUnix >= start && timestampUnix <= end)
    )
  })

/** What E2B does with a sandbox, and this host does not. */
const lacking = (sandboxes: SandboxTable, what: string) => (request: HttpRequest) =>
  Effect.zipRight(find(sandboxes, request.id), refuse(501, `this host cannot ${what}`))

/** What E2B has beside sandboxes, and this host does not. */
const without = (what: string) => () => refuse(501, `this host has no ${what}`)

/** E2B's control plane, as far as this host has one. */
export const routes = (
  sandboxes: SandboxTable,
  isolation: Pick<Isolation, "options" | "templates">,
  network: HostNetwork | undefined,
  apiKey: Redacted.Redacted<string>
): ReadonlyArray<Route> => {
  const { options } = isolation
  const isKey = (given: string) => Secrets.equal(given, Redacted.value(apiKey))
  const route = (
    method: Route["method"],
    path: string,
    handle: (request: HttpRequest) => Effect.Effect<Answer.Answer, LaunchRefused>
  ): Route => ({
    method,
    path,
    handler: (request) =>
      Effect.catchAll(isKey(request.header("x-api-key")) ? handle(request) : badKey, (refusal) =>
        Effect.succeed(refused(refusal))
      )
  })
  return [
    route("POST", "/v2/sandboxes", create(sandboxes, isolation, network, V2_TIMEOUT)),
    route("POST", "/sandboxes", create(sandboxes, isolation, network, V1_TIMEOUT)),
    route("GET", "/v2/sandboxes", list(sandboxes, options)),
    route("GET", "/sandboxes", list(sandboxes, options)),
    route("GET", "/sandboxes/:id", show(sandboxes, options)),
    route("DELETE", "/sandboxes/:id", kill(sandboxes)),
    route("POST", "/sandboxes/:id/timeout", changeTimeout(sandboxes, options)),
    route("POST", "/v2/sandboxes/:id/connect", connect(sandboxes, options)),
    route("POST", "/sandboxes/:id/connect", connect(sandboxes, options)),
    route("GET", "/sandboxes/:id/metrics", metrics(sandboxes)),
    route("GET", "/sandboxes/:id/network/attempts", NetworkAttempts.show(sandboxes)),
    route("POST", "/sandboxes/:id/pause", lacking(sandboxes, "pause sandboxes")),
    route("POST", "/sandboxes/:id/fork", lacking(sandboxes, "fork sandboxes")),
    route("POST", "/sandboxes/:id/snapshots", lacking(sandboxes, "make snapshots of sandboxes")),
    route("PUT", "/sandboxes/:id/network", lacking(sandboxes, "change the network of a sandbox that runs")),
    route("GET", "/snapshots", without("snapshots")),
    route("GET", "/volumes", without("volumes")),
    route("POST", "/volumes", without("volumes")),
    route("GET", "/secrets", without("store of secrets")),
    route("POST", "/secrets", without("store of secrets")),
    route("GET", "/templates", without("templates to build")),
    route("POST", "/v3/templates", without("templates to build"))
  ]
}
