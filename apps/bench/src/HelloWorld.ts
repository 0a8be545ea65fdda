import { Duration, Effect } from "effect"
import * as Client from "./Client.js"
import type { ServerUnderTest } from "./ServerUnderTest.js"
import * as Statistics from "./Statistics.js"

/** Latency of the smallest program that says something, on a server that is warm and otherwise idle; milliseconds. */
export const measure = (server: ServerUnderTest, times: number) =>
  Client.complete(server, 'print("Hello, World!")', "Hello, World!\n").pipe(
    Effect.timed,
    Effect.map(([taken]) => Duration.toMillis(taken)),
    Effect.replicateEffect(times),
    Effect.map(Statistics.latency),
    Effect.provide(Client.layer)
  )
