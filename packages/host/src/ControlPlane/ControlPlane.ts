import type * as Http from "node:http"
import { HttpRouter, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { DateTime, Effect, Either, Option, Order, Redacted, Schema } from "effect"
import { type LaunchFailed, type NoFreeSlot, RequestRefused } from "../HostErrors.js"
import { diskBudget, type HostOptions } from "../HostOptions.js"
import * as DirectRoutes from "../Http/DirectRoutes.js"
import * as Secrets from "../Secrets.js"
import * as ThisProcess from "../ThisProcess.js"
import type { Sample } from "./SandboxMetrics.js"
import type { SandboxRecord, SandboxTable } from "./SandboxTable.js"

/** The envd that this host stands in for: the SDK asks less of older ones. */
export const ENVD_VERSION = "0.6.13"
const CLIENT_ID = "embedded"
const V1_TIMEOUT = 15
const V2_TIMEOUT = 300
const MOST_LISTED = 100

const Seconds = Schema.Number.pipe(Schema.finite(), Schema.nonNegative())
const Strings = Schema.Record({ key: Schema.String, value: Schema.String })

const NewSandbox = Schema.Struct({
  templateID: Schema.String,
  timeout: Schema.optional(Seconds),
  metadata: Schema.optional(Schema.NullOr(Strings)),
  envVars: Schema.optional(Schema.NullOr(Strings)),
  volumeMounts: Schema.optional(Schema.NullOr(Schema.Array(Schema.Unknown)))
})
const NewTimeout = Schema.Struct({ timeout: Seconds })
const Connection = Schema.Struct({ timeout: Schema.optional(Seconds) })

const refuse = (status: number, message: string) => new RequestRefused({ status, message })
const badKey = refuse(401, "the API key is not valid")
const missing = (id: string) => refuse(404, `sandbox "${id}" not found`)

const time = (milliseconds: number) => DateTime.formatIso(DateTime.unsafeMake(milliseconds))

/** What the SDK needs to reach a sandbox. */
const connection = (record: SandboxRecord) => ({
  sandboxID: record.id,
  templateID: record.template,
  clientID: CLIENT_ID,
  envdVersion: ENVD_VERSION,
  envdAccessToken: record.accessToken
})

const listed = (record: SandboxRecord, options: HostOptions) => ({
  sandboxID: record.id,
  templateID: record.template,
  clientID: CLIENT_ID,
  startedAt: time(record.startedAt),
  endAt: time(record.endAt),
  state: "running",
  cpuCount: ThisProcess.processors,
  memoryMB: Math.floor(options.memoryBytes / 1048576),
  diskSizeMB: Math.floor(diskBudget(options) / 1048576),
  envdVersion: ENVD_VERSION,
  metadata: record.metadata
})

const unescapeQuery = (text: string) =>
  Option.liftThrowable(decodeURIComponent)(text.replaceAll("+", " ")).pipe(
    Effect.mapError(() => refuse(400, "the metadata filter is not well encoded"))
  )

/** The filter comes encoded twice more inside the query's own encoding: once as a whole, once part by part. */
const parseMetadata = (given: string) =>
  Effect.gen(function* () {
    const whole = yield* unescapeQuery(given)
    const pairs = whole.split("&").filter((pair) => pair !== "")
    return yield* Effect.forEach(pairs, (pair) => {
      const at = pair.indexOf("=")
      if (at < 0) return refuse(400, "the metadata filter takes key=value pairs")
      return Effect.all([unescapeQuery(pair.slice(0, at)), unescapeQuery(pair.slice(at + 1))])
    })
  })

const newestFirst = Order.combine(
  Order.reverse(Order.mapInput(Order.number, (record: SandboxRecord) => record.startedAt)),
  Order.mapInput(Order.string, (record: SandboxRecord) => record.id)
)

const listLimit = (given: string | null) => {
  const limit = given === null ? MOST_LISTED : Number(given)
  return Number.isInteger(limit) && limit >= 1 && limit <= MOST_LISTED
    ? Effect.succeed(limit)
    : refuse(400, `limit takes 1 to ${MOST_LISTED}`)
}

/** The order's key of the last sandbox that a page showed. */
const pageKey = (record: SandboxRecord) => `${record.startedAt}.${record.id}`

const after = (records: ReadonlyArray<SandboxRecord>, token: string | null) => {
  if (token === null || token === "") return records
  const [startedAt, id] = token.split(".")
  const last = { startedAt: Number(startedAt), id: id ?? "" } as SandboxRecord
  return records.filter((record) => newestFirst(last, record) < 0)
}

const query = Effect.map(HttpServerRequest.HttpServerRequest, (request) => {
  const at = request.url.indexOf("?")
  return new URLSearchParams(at < 0 ? "" : request.url.slice(at + 1))
})

const selectListed = (sandboxes: SandboxTable, asked: URLSearchParams) =>
  Effect.gen(function* () {
    const states = asked.getAll("state").flatMap((text) => text.split(","))
    if (states.length > 0 && !states.includes("running")) return []
    const wanted = yield* parseMetadata(asked.get("metadata") ?? "")
    const template = asked.get("template")
    return sandboxes
      .all()
      .filter((record) => wanted.every(([key, value]) => record.metadata[key] === value))
      .filter((record) => template === null || record.template === template)
      .sort(asked.get("order") === "asc" ? Order.reverse(newestFirst) : newestFirst)
  })

const list = (sandboxes: SandboxTable, options: HostOptions) =>
  Effect.gen(function* () {
    const asked = yield* query
    const limit = yield* listLimit(asked.get("limit"))
    const rest = after(yield* selectListed(sandboxes, asked), asked.get("nextToken"))
    const page = rest.slice(0, limit)
    const last = page[page.length - 1]
    const more = last !== undefined && rest.length > page.length
    return HttpServerResponse.unsafeJson(
      page.map((record) => listed(record, options)),
      {
        headers: {
          "x-total-running": String(sandboxes.all().length),
          ...(more ? { "x-next-token": pageKey(last) } : {})
        }
      }
    )
  })

/** Reads the text of a request's body; built once, since that costs far more than its use. */
const decoder = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = Schema.decodeEither(Schema.parseJson(schema))
  return (text: string) =>
    Either.mapLeft(decode(text === "" ? "{}" : text), (error) =>
      refuse(400, `invalid request body: ${error.message.replace(/\s+/g, " ")}`)
    )
}

const unreadable = refuse(400, "the request body could not be read")

const body = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = decoder(schema)
  return HttpServerRequest.HttpServerRequest.pipe(
    Effect.flatMap((request) => Effect.mapError(request.text, () => unreadable)),
    Effect.flatMap(decode)
  )
}
const newConnection = body(Connection)

/** The same of a direct route. */
const directBody = <A, I>(schema: Schema.Schema<A, I>) => {
  const decode = decoder(schema)
  return (request: Http.IncomingMessage) =>
    Effect.flatMap(
      DirectRoutes.body(request),
      Option.match({ onNone: () => Either.left(unreadable), onSome: (bytes) => decode(bytes.toString()) })
    )
}
const newSandbox = directBody(NewSandbox)
const newTimeout = directBody(NewTimeout)

const create =
  (sandboxes: SandboxTable, defaultTimeout: number): Direct =>
  (request) =>
    Effect.gen(function* () {
      const asked = yield* newSandbox(request)
      if ((asked.volumeMounts?.length ?? 0) > 0) return yield* refuse(400, "this host has no volumes")
      const record = yield* sandboxes.create({
        template: asked.templateID,
        lifetime: (asked.timeout ?? defaultTimeout) * 1000,
        metadata: asked.metadata ?? {},
        envVars: asked.envVars ?? {}
      })
      return (response) => DirectRoutes.json(response, 201, connection(record))
    })

const found = (sandboxes: SandboxTable, id: string) =>
  Either.fromNullable(sandboxes.find(id), () => missing(id))

const named = (sandboxes: SandboxTable) =>
  Effect.flatMap(HttpRouter.params, ({ id = "" }) => found(sandboxes, id))

const measured = ({ at, ...sample }: Sample) => ({
  ...{ timestamp: time(at), timestampUnix: Math.floor(at / 1000) },
  ...sample
})

/** Seconds since 1970 that a query names; nothing: no bound. */
const bound = (asked: URLSearchParams, name: string, none: number) => {
  const given = asked.get(name)
  const seconds = given === null || given === "" ? none : Number(given)
  return Number.isNaN(seconds) ? refuse(400, `${name} takes seconds since 1970`) : Effect.succeed(seconds)
}

const metrics = (sandboxes: SandboxTable) =>
  Effect.gen(function* () {
    const record = yield* named(sandboxes)
    const asked = yield* query
    const start = yield* bound(asked, "start", 0)
    const end = yield* bound(asked, "end", Number.POSITIVE_INFINITY)
    const all = (yield* record.metrics.read).map(measured)
    return HttpServerResponse.unsafeJson(
      all.filter(({ timestampUnix }) => timestampUnix >= start && timestampUnix <= end)
    )
  })

const noContent = (response: Http.ServerResponse) => void response.writeHead(204).end()

/** The sandbox that a direct route's path names. */
const inPath = (path: string) => path.split("/")[2] ?? ""

const setTimeout =
  (sandboxes: SandboxTable): Direct =>
  (request, path) =>
    Effect.gen(function* () {
      const record = yield* found(sandboxes, inPath(path))
      const { timeout } = yield* newTimeout(request)
      yield* sandboxes.setLifetime(record, timeout * 1000)
      return noContent
    })

/** Connecting gives a sandbox more time, never less. */
const connect = (sandboxes: SandboxTable, now: Effect.Effect<number>) =>
  Effect.gen(function* () {
    const record = yield* named(sandboxes)
    const { timeout = V2_TIMEOUT } = yield* newConnection
    const lifetime = timeout * 1000
    if ((yield* now) + lifetime > record.endAt) yield* sandboxes.setLifetime(record, lifetime)
    return HttpServerResponse.unsafeJson(connection(record))
  })

const kill =
  (sandboxes: SandboxTable): Direct =>
  (_, path) =>
    Effect.flatMap(sandboxes.kill(inPath(path)), (killed) =>
      killed ? Effect.succeed(noContent) : missing(inPath(path))
    )

type Refusal = RequestRefused | NoFreeSlot | LaunchFailed

/** Does what a request asks, and tells how to answer it. */
type Direct = (
  request: Http.IncomingMessage,
  path: string
) => Effect.Effect<(response: Http.ServerResponse) => void, Refusal>

/** The status and body of a refusal. */
const describe = (refusal: Refusal): readonly [number, object] => {
  const status =
    refusal._tag === "RequestRefused" ? refusal.status : refusal._tag === "NoFreeSlot" ? 429 : 500
  return [status, { code: status, message: refusal.message }]
}

type Handler<R> = Effect.Effect<HttpServerResponse.HttpServerResponse, Refusal, R>

/** E2B's control plane, as far as this host has one. */
export const make = (sandboxes: SandboxTable, options: HostOptions, apiKey: Redacted.Redacted<string>) => {
  const isKey = (given: unknown) => Secrets.equal(String(given ?? ""), Redacted.value(apiKey))
  const authorized = <R>(handler: Handler<R>) =>
    Effect.flatMap(HttpServerRequest.HttpServerRequest, ({ headers }) =>
      isKey(headers["x-api-key"]) ? handler : badKey
    ).pipe(
      Effect.catchAll((refusal) => {
        const [status, told] = describe(refusal)
        return Effect.succeed(HttpServerResponse.unsafeJson(told, { status }))
      })
    )
  const direct =
    (handle: Direct): DirectRoutes.Handler =>
    (request, response, path) =>
      Effect.match(isKey(request.headers["x-api-key"]) ? handle(request, path) : badKey, {
        onFailure: (refusal) => DirectRoutes.json(response, ...describe(refusal)),
        onSuccess: (answer) => answer(response)
      })
  const makers = new Map<string, DirectRoutes.Handler>([
    ["/v2/sandboxes", direct(create(sandboxes, V2_TIMEOUT))],
    ["/sandboxes", direct(create(sandboxes, V1_TIMEOUT))]
  ])
  const killer = direct(kill(sandboxes))
  const timer = direct(setTimeout(sandboxes))
  const find: DirectRoutes.Find = (method, path) => {
    if (method === "POST")
      return makers.get(path) ?? (/^\/sandboxes\/[^/]+\/timeout$/.test(path) ? timer : undefined)
    return method === "DELETE" && /^\/sandboxes\/[^/]+$/.test(path) ? killer : undefined
  }
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)
  const route = {
    list: authorized(list(sandboxes, options)),
    show: authorized(
      Effect.map(named(sandboxes), (record) => HttpServerResponse.unsafeJson(listed(record, options)))
    ),
    connect: authorized(connect(sandboxes, now)),
    metrics: authorized(metrics(sandboxes)),
    unsupported: authorized(refuse(501, "the embedded host does not do this"))
  }
  const router = HttpRouter.empty.pipe(
    HttpRouter.get("/v2/sandboxes", route.list),
    HttpRouter.get("/sandboxes", route.list),
    HttpRouter.get("/sandboxes/:id", route.show),
    HttpRouter.post("/v2/sandboxes/:id/connect", route.connect),
    HttpRouter.post("/sandboxes/:id/connect", route.connect),
    HttpRouter.get("/sandboxes/:id/metrics", route.metrics),
    HttpRouter.post("/sandboxes/:id/pause", route.unsupported),
    HttpRouter.post("/sandboxes/:id/fork", route.unsupported),
    HttpRouter.post("/sandboxes/:id/snapshots", route.unsupported),
    HttpRouter.put("/sandboxes/:id/network", route.unsupported)
  )
  return { router, find }
}
