import { ExecutionResult } from "@bulkhead/domain"
import { HttpClient, HttpClientRequest, HttpClientResponse } from "@effect/platform"
import { NodeHttpClient } from "@effect/platform-node"
import { Duration, Effect, Ref, Schedule } from "effect"
import * as Checkout from "./Checkout.js"
import * as Machine from "./Machine.js"
import { MeasurementFailure } from "./Measurement.js"
import type { Options } from "./Options.js"
import * as ServerUnderTest from "./ServerUnderTest.js"

/** A server's memory while files are sent to it, in MiB, the embedded host in it included. */
export interface UploadMemory {
  readonly atOnce: number
  /** MiB of each file. */
  readonly fileMB: number
  readonly rounds: number
  readonly idleMB: number
  /** The most that was seen. */
  readonly mostMB: number
  /** Until the programs of one round have read all of its files. */
  readonly seconds: number
}

const atOnce = 8
const megabyte = 1_048_576

const failure = (what: string) => new MeasurementFailure({ message: `uploads: ${what}` })

/** Sends a form with one file to a program that reads it. */
const send = Effect.fnUntraced(function* (url: string, bytes: Uint8Array<ArrayBuffer>, user: number) {
  const form = new FormData()
  form.append(
    "request",
    JSON.stringify({ code: "print(len(open('a', 'rb').read()))", userId: `user${user}` })
  )
  form.append("file", new Blob([bytes]), "a")
  const { stdout } = yield* HttpClientRequest.post(`${url}/api/execute`).pipe(
    HttpClientRequest.bodyFormData(form),
    HttpClient.execute,
    Effect.flatMap(HttpClientResponse.schemaBodyJson(ExecutionResult)),
    Effect.mapError(({ message }) => failure(message))
  )
  if (stdout !== `${bytes.length}\n`) return yield* failure(`a program read ${stdout}`)
})

/** Sends so many files at once, again and again, and watches the server's memory. */
export const measure = Effect.fn("UploadMemory.measure")(
  function* ({ quick, rounds }: Options) {
    const fileMB = quick ? 1 : 64
    const server = yield* ServerUnderTest.start(Checkout.ours, "scripts/start.mjs")
    const bytes = new Uint8Array(fileMB * megabyte)
    // What is compiled and connected at first is not of uploads alone.
    yield* Effect.forEach([0, 1, 2], () => send(server.url, new Uint8Array(1), 0))
    const idleMB = yield* Machine.residentMB(server.pid)
    const most = yield* Ref.make(idleMB)
    const weigh = Effect.flatMap(Machine.residentMB(server.pid), (now) =>
      Ref.update(most, (known) => Math.max(known, now))
    )
    yield* Effect.forkScoped(Effect.repeat(weigh, Schedule.spaced("20 millis")))
    const round = Effect.forEach(Array(atOnce).keys(), (user) => send(server.url, bytes, user), {
      concurrency: atOnce
    })
    const [took] = yield* Effect.timed(Effect.forEach(Array(rounds).keys(), () => round))
    const found: UploadMemory = {
      atOnce,
      fileMB,
      rounds,
      idleMB,
      mostMB: yield* Ref.get(most),
      seconds: Duration.toSeconds(took) / rounds
    }
    return found
  },
  Effect.scoped,
  Effect.provide(NodeHttpClient.layer)
)
