import type {
  ExecutionEvent,
  ExecutionRequestInput,
  ExecutionResult,
  ExecutionSummary
} from "@bulkhead/domain"
import { type Cause, Effect, Option, Schedule } from "effect"
import * as ServerProcess from "./ServerProcess.js"

export interface Answer {
  readonly status: number
  // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
  readonly body: any
}

/** Fails unless the whole answer comes. */
export const tryFetchJson = (
  path: string,
  init: RequestInit = {}
): Effect.Effect<Answer, Cause.UnknownException, ServerProcess.ServerProcess> =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.tryPromise(async (signal) => {
      const response = await fetch(`${url}${path}`, { signal, ...init })
      return { status: response.status, body: await response.json() }
    })
  )

export const fetchJson = (
  path: string,
  init: RequestInit = {}
): Effect.Effect<Answer, never, ServerProcess.ServerProcess> => Effect.orDie(tryFetchJson(path, init))

/** Posts a request; interrupting it hangs up. Fails unless the whole answer comes. */
export const tryPost = (request: ExecutionRequestInput) =>
  tryFetchJson("/api/execute", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(request)
  })

/** Posts a request; interrupting it hangs up. */
export const post = (request: ExecutionRequestInput) => Effect.orDie(tryPost(request))

/** The result of a request that is let in. */
export const execute = (
  request: ExecutionRequestInput
): Effect.Effect<ExecutionResult, never, ServerProcess.ServerProcess> =>
  Effect.flatMap(post(request), ({ body, status }) =>
    status === 200 ? Effect.succeed(body) : Effect.dieMessage(`${status}: ${JSON.stringify(body)}`)
  )

export const asAdmin = { headers: { authorization: `Bearer ${ServerProcess.adminToken}` } }

// biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
export const get = (path: string): Effect.Effect<any, never, ServerProcess.ServerProcess> =>
  Effect.map(fetchJson(path, asAdmin), ({ body }) => body)

export const logs = (
  executionId: string
): Effect.Effect<ReadonlyArray<ExecutionEvent>, never, ServerProcess.ServerProcess> =>
  get(`/api/sandbox/logs/${executionId}`)

/** The status of the answer. */
export const kill = (executionId: string) =>
  Effect.map(
    fetchJson(`/api/sandbox/kill/${executionId}`, { method: "POST", ...asAdmin }),
    ({ status }) => status
  )

/** Waits until a user's latest execution is in a state. */
export const inState = (
  userId: string,
  state: ExecutionSummary["state"]
): Effect.Effect<ExecutionSummary, never, ServerProcess.ServerProcess> =>
  get(`/api/sandbox/executions?userId=${userId}&state=${state}`).pipe(
    Effect.flatMap(({ executions }) => Option.fromNullable(executions[0] as ExecutionSummary | undefined)),
    Effect.retry(Schedule.spaced("10 millis")),
    Effect.timeout("15 seconds"),
    Effect.orDie
  )

/** A file as the operator gets it. */
export const download = (path: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.promise(async (signal) => {
      const response = await fetch(`${url}${path}`, { signal, ...asAdmin })
      return { status: response.status, content: Buffer.from(await response.arrayBuffer()) }
    })
  )
