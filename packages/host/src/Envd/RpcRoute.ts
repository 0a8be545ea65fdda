import { Effect, type Schema, type Scope } from "effect"
import type { SandboxTable } from "../ControlPlane/SandboxTable.js"
import type { GuestSandbox } from "../Guest/GuestSandbox.js"
import { type EnvdUnauthenticated, RpcRefused, type SandboxGone } from "../HostErrors.js"
import type { Answer } from "../Http/Answer.js"
import type { HttpRequest } from "../Http/HttpRequest.js"
import type { Handler, Route } from "../Http/Routes.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as EnvdRequest from "./EnvdRequest.js"

/** Who calls, and on which sandbox. */
export interface Call {
  readonly guest: GuestSandbox
  readonly request: HttpRequest
  readonly user: Effect.Effect<GuestUser, RpcRefused>
}

const unauthenticated = ({ message }: EnvdUnauthenticated) =>
  new RpcRefused({ code: "unauthenticated", message })

/** As E2B's proxy. But of that the SDK keeps no message, and that its launcher died must be heard. */
const gone = (request: HttpRequest, error: SandboxGone) =>
  error.withLauncher
    ? ConnectProtocol.refusalOf(
        request,
        new RpcRefused({ code: "failed_precondition", message: error.message })
      )
    : EnvdRequest.goneAnswer(error)

const callOf = (sandboxes: SandboxTable, users: ReadonlyArray<GuestUser>, request: HttpRequest) =>
  EnvdRequest.authorizedSandbox(sandboxes, request).pipe(
    Effect.map(
      ({ guest }): Call => ({
        guest,
        request,
        user: Effect.mapError(EnvdRequest.basicUser(request, users), unauthenticated)
      })
    ),
    Effect.catchTag("EnvdUnauthenticated", (error) => Effect.fail(unauthenticated(error)))
  )

/** Makes the routes of remote calls on a host's sandboxes. */
export const make = (sandboxes: SandboxTable, users: ReadonlyArray<GuestUser>) => {
  const post = (path: string, handle: (call: Call) => ReturnType<Handler>): Route => ({
    method: "POST",
    path,
    handler: (request) =>
      Effect.flatMap(callOf(sandboxes, users, request), handle).pipe(
        Effect.catchTags({
          SandboxGone: (error) => Effect.succeed(gone(request, error)),
          RpcRefused: (error) => Effect.succeed(ConnectProtocol.refusal(error))
        })
      )
  })
  return {
    /** The methods of a service that no other route answers. */
    others: (service: string): Route =>
      post(`/${service}/:id`, ({ request }) => {
        const message = `this host does not implement ${service}/${request.id}`
        return Effect.succeed(
          ConnectProtocol.refusalOf(request, new RpcRefused({ code: "unimplemented", message }))
        )
      }),
    /** A call with one message as its answer. */
    unary: <A, I>(
      path: string,
      schema: Schema.Schema<A, I>,
      handle: (asked: A, call: Call) => Effect.Effect<unknown, RpcRefused>
    ): Route => {
      const read = ConnectProtocol.unaryReader(schema)
      return post(path, (call) =>
        Effect.flatMap(read(call.request), (asked) => handle(asked, call)).pipe(
          Effect.match({ onFailure: ConnectProtocol.refusal, onSuccess: ConnectProtocol.unaryAnswer })
        )
      )
    },
    /** A call with a stream as its answer. */
    serverStream: <A, I>(
      path: string,
      schema: Schema.Schema<A, I>,
      handle: (asked: A, call: Call) => Effect.Effect<Answer, RpcRefused, Scope.Scope>
    ): Route => {
      const read = ConnectProtocol.streamReader(schema)
      return post(path, (call) =>
        Effect.flatMap(read(call.request), (asked) => handle(asked, call)).pipe(
          Effect.catchAll((error) => Effect.succeed(ConnectProtocol.streamRefusal(error)))
        )
      )
    }
  }
}
