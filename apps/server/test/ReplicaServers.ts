import type { ExecutionRequestInput, ExecutionSummary, Replica } from "@bulkhead/domain"
import { describe } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { kinds } from "../../../packages/store/test/Databases.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

export type Server = ServerProcess.ServerProcess["Type"]

const postgres = kinds.find(({ name }) => name === "PostgreSQL")

/** `describe` where there is a PostgreSQL. */
export const onPostgres = postgres === undefined ? describe.skip : describe

/** The URL of an empty database. */
export const database = Effect.suspend(() =>
  Effect.map(Effect.orDie(postgres?.make ?? Effect.fail("no PostgreSQL")), ({ place }) => place)
)

export const at =
  (server: Server) =>
  <A, E, R>(effect: Effect.Effect<A, E, R | ServerProcess.ServerProcess>) =>
    Effect.provideService(effect, ServerProcess.ServerProcess, server)

/** Starts servers of the bundle that is there, each with its settings, at the same time. */
export const startAll = (settings: ReadonlyArray<Readonly<Record<string, string>>>) =>
  Effect.forEach(
    settings,
    (each) =>
      Effect.flatMap(ServerProcess.launch(each), ({ listening, ...server }) =>
        Effect.map(listening, (url) => ServerProcess.ServerProcess.of({ ...server, url }))
      ),
    { concurrency: "unbounded" }
  )

/** What a server says of what is in a state, once it says so of this many. */
export const listed = (server: Server, state: ExecutionSummary["state"], count: number) =>
  Caller.get(`/api/sandbox/executions?state=${state}`).pipe(
    at(server),
    Effect.map(({ executions }): ReadonlyArray<ExecutionSummary> => executions),
    Effect.filterOrFail(
      (found) => found.length === count,
      (found) => `${found.length} are ${state}, not ${count}`
    ),
    Effect.retry({ times: 600, schedule: Schedule.spaced("50 millis") }),
    Effect.orDie
  )

/** What a server says of all replicas, once it says what is expected. */
export const replicasOf = (server: Server, isExpected: (replicas: ReadonlyArray<Replica>) => boolean) =>
  Caller.get("/api/sandbox/replicas").pipe(
    at(server),
    Effect.map(({ replicas }): ReadonlyArray<Replica> => replicas),
    Effect.filterOrFail(isExpected, (replicas) => `not yet: ${JSON.stringify(replicas)}`),
    Effect.retry({ times: 300, schedule: Schedule.spaced("50 millis") }),
    Effect.orDie
  )

/** Begins an execution of a Bash program, which goes on by itself. Gives its id. */
export const begin = (server: Server, userId: string, code: string, gpu?: ExecutionRequestInput["gpu"]) =>
  Caller.fetchJson("/api/executions", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ code, language: "bash", userId, gpu })
  }).pipe(
    at(server),
    Effect.map(({ body }) => body.executionId as string)
  )

/**
 * The whole text of a stream of events, once it has ended; `onText` is told all that there is of it, whenever more
 * comes.
 */
export const eventsOf = (
  server: Server,
  executionId: string,
  onText: (sofar: string) => void = () => {}
): Effect.Effect<string> =>
  Effect.promise(async (signal) => {
    const response = await fetch(`${server.url}/api/executions/${executionId}/events`, {
      signal,
      ...Caller.asAdmin
    })
    let text = ""
    const decoder = new TextDecoder()
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true })
      onText(text)
    }
    return text
  })
