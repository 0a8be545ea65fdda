import { ServerSentEvents } from "@bulkhead/api"
import type { BulkheadHttp } from "@bulkhead/http"
import { BearerToken, EventStream, RequestPath } from "@bulkhead/http"
import type { SandboxService } from "@bulkhead/sandbox"
import { Headers, HttpServerRequest, HttpServerResponse } from "@effect/platform"
import { Deferred, Effect, Option, Redacted, Ref, type Scope, Stream } from "effect"
import { ServerConfig } from "../settings/ServerConfig.js"
import * as FailedSignIns from "./FailedSignIns.js"
import * as Load from "./Load.js"
import * as PageFiles from "./PageFiles.js"
import * as Requests from "./Requests.js"
import * as Sessions from "./Sessions.js"
import { vocabulary } from "./Vocabulary.js"

type Contract = Effect.Effect.Success<ReturnType<typeof BulkheadHttp.make>>

const root = "/dashboard"

/** The cookie goes nowhere else, so that the API itself never sees it. */
const cookie = "bulkhead_session"

/** Pages that read along at once. */
const mostReaders = 100

/** Whether a request is for the dashboard. */
export const isFor = ({ url }: HttpServerRequest.HttpServerRequest) => /^\/dashboard(?:[/?#]|$)/.test(url)

const files: Readonly<Record<string, PageFiles.PageFile>> = {
  "": "index.html",
  "/": "index.html",
  "/dashboard.js": "dashboard.js",
  "/dashboard.css": "dashboard.css",
  "/icon.svg": "icon.svg"
}

/** What of the contract the page uses, by method and path. */
const passed = /^(?:(?:GET|HEAD|PUT|POST|DELETE) \/api\/sandbox\/|(?:GET|HEAD) \/api\/executions\/)/

/** A file is fetched by an `img` or a link. */
const isFile = (path: string) => /^\/api\/executions\/[^/]+\/artifacts(?:\.zip$|\/)/.test(path)

const unknown = Effect.flatMap(Requests.current, (request) =>
  Requests.refuse(
    404,
    "NOT_FOUND",
    `No route for ${request.method} ${RequestPath.of(request.url).slice(0, 200)}`
  )
)

const signedOut = Requests.refuse(
  401,
  "PERMISSION_DENIED",
  "Expected a session: sign in with the admin token"
)

const event = (name: string, data: unknown) =>
  ServerSentEvents.encode({ event: name, data: JSON.stringify(data) })

export interface Dashboard {
  /** Answers every request that is for the dashboard. */
  readonly app: Effect.Effect<
    HttpServerResponse.HttpServerResponse,
    never,
    HttpServerRequest.HttpServerRequest | Scope.Scope
  >
  /** Ends all streams, so that a server that shuts down need not wait for them. */
  readonly close: Effect.Effect<void>
}

/**
 * The operator's page beneath `/dashboard`, and what it asks for. Who signs in with the admin token gets a session,
 * whose cookie counts beneath `/dashboard/api` alone: from there requests go on to the contract with the admin token.
 */
export const make = Effect.fnUntraced(function* (
  contract: Contract
): Effect.fn.Return<Dashboard, never, SandboxService | ServerConfig | Scope.Scope> {
  const { adminToken } = yield* ServerConfig
  const isAdmin = BearerToken.matches(adminToken)
  const sessions = yield* Sessions.make
  const failures = yield* FailedSignIns.make
  const load = yield* Load.make
  const closed = yield* Deferred.make<void>()
  const readers = yield* Ref.make(0)
  const pageFiles = yield* Effect.all({
    "index.html": PageFiles.make("index.html"),
    "dashboard.js": PageFiles.make("dashboard.js"),
    "dashboard.css": PageFiles.make("dashboard.css"),
    "icon.svg": PageFiles.make("icon.svg")
  })

  const sessionEnd = ({ cookies }: HttpServerRequest.HttpServerRequest) =>
    sessions.endOf(cookies[cookie] ?? "")

  const signedIn = (request: HttpServerRequest.HttpServerRequest, id: string) =>
    HttpServerResponse.setCookie(Requests.done, cookie, id, {
      httpOnly: true,
      sameSite: "strict",
      path: root,
      maxAge: Sessions.lifetime,
      // A proxy that speaks TLS says so; whoever lies about it harms only themselves.
      secure: request.headers["x-forwarded-proto"] === "https"
    }).pipe(Effect.orDie)

  const signIn = Effect.gen(function* () {
    const request = yield* Requests.current
    const address = Option.getOrElse(request.remoteAddress, () => "")
    const wait = yield* failures.waitOf(address)
    if (Option.isSome(wait)) {
      const seconds = String(wait.value)
      const message = `Too many wrong tokens from this address: try again in ${seconds} seconds`
      return yield* Requests.refuse(429, "RATE_LIMIT", message, { "retry-after": seconds })
    }
    const given = yield* BearerToken.given
    if (Option.isSome(given) && isAdmin(given.value)) return yield* signedIn(request, yield* sessions.begin)
    yield* failures.add(address)
    yield* Effect.logWarning("A sign-in to the dashboard had a wrong token").pipe(
      Effect.annotateLogs({ address })
    )
    return yield* Requests.refuse(401, "PERMISSION_DENIED", "This is not the admin token")
  })

  const signOut = Effect.flatMap(Requests.current, ({ cookies }) =>
    Effect.zipRight(
      sessions.end(cookies[cookie] ?? ""),
      Effect.succeed(HttpServerResponse.expireCookie(Requests.done, cookie, { path: root }))
    )
  )

  /** To have none is no error: whoever opens the page asks. */
  const session = Effect.flatMap(Effect.flatMap(Requests.current, sessionEnd), (end) =>
    Option.match(end, {
      onNone: () => Effect.succeed(Requests.done),
      onSome: (endsAt) => Requests.json({ endsAt, ...vocabulary })
    })
  )

  /** Until the session or the server ends. */
  const ticks = (request: HttpServerRequest.HttpServerRequest) =>
    Effect.map(load.history, (history) =>
      Stream.concat(
        Stream.make(event("history", history)),
        load.ticks.pipe(
          Stream.takeUntilEffect(() => Effect.map(sessionEnd(request), Option.isNone)),
          Stream.map((tick) => event("tick", tick)),
          Stream.interruptWhenDeferred(closed)
        )
      )
    )

  const counted = <A>(stream: Stream.Stream<A>) =>
    Stream.unwrapScoped(
      Effect.as(
        Effect.acquireRelease(
          Ref.update(readers, (count) => count + 1),
          () => Ref.update(readers, (count) => count - 1)
        ),
        stream
      )
    )

  const live = Effect.fnUntraced(function* (request: HttpServerRequest.HttpServerRequest) {
    if ((yield* Ref.get(readers)) >= mostReaders)
      return yield* Requests.refuse(
        429,
        "QUOTA_EXCEEDED",
        `Expected at most ${mostReaders} open dashboards`,
        {
          "retry-after": "5"
        }
      )
    return EventStream.send(request, counted(yield* ticks(request)))
  })

  /** With the operator's token in the place of the session. */
  const passOn = (request: HttpServerRequest.HttpServerRequest) =>
    Effect.provideService(
      contract,
      HttpServerRequest.HttpServerRequest,
      request.modify({
        url: request.url.slice(root.length),
        headers: Headers.set(
          Headers.remove(request.headers, "cookie"),
          "authorization",
          `Bearer ${Redacted.value(adminToken)}`
        )
      })
    )

  const forOperators = (request: HttpServerRequest.HttpServerRequest, path: string) => {
    if (path === "/live" && request.method === "GET") return live(request)
    return passed.test(`${request.method} ${path}`) ? passOn(request) : unknown
  }

  const guarded = Effect.gen(function* () {
    const request = yield* Requests.current
    const path = RequestPath.of(request.url).slice(root.length)
    if (!Requests.isOwn(request, !(request.method === "GET" && isFile(path)))) return yield* Requests.notOwn
    if (path === "/session" && request.method === "POST") return yield* signIn
    if (path === "/session" && request.method === "DELETE") return yield* signOut
    if (path === "/session" && request.method === "GET") return yield* session
    return Option.isNone(yield* sessionEnd(request)) ? yield* signedOut : yield* forOperators(request, path)
  })

  const app = Effect.gen(function* () {
    const request = yield* Requests.current
    const path = RequestPath.of(request.url).slice(root.length)
    const file = files[path]
    if (file === undefined) return yield* guarded
    if (request.method !== "GET" && request.method !== "HEAD") return yield* unknown
    return yield* Effect.catchAll(pageFiles[file], (cause) =>
      Effect.zipRight(
        Effect.logError("A file of the dashboard cannot be read", cause),
        Requests.refuse(
          500,
          "INTERNAL_ERROR",
          "The dashboard's files are not there; the server's log says why"
        )
      )
    )
  })

  return { app, close: Effect.asVoid(Deferred.succeed(closed, undefined)) }
})
