import { assert, describe, it } from "@effect/vitest"
import { Chunk, Effect, Stream } from "effect"
import * as AgentProcess from "../src/Guest/AgentProcess.js"
import type { ProcessEvent } from "../src/Guest/ProcessEvent.js"

const data = (text: string): ProcessEvent => ({ _tag: "Data", channel: "stdout", bytes: Buffer.from(text) })

const tell = (event: ProcessEvent) => (event._tag === "Data" ? event.bytes.toString() : event._tag)

describe("A process's output", () => {
  it.scoped("begins with the start, even if the agent sends output before that", () =>
    Effect.gen(function* () {
      const process = yield* AgentProcess.make(() => {})
      const subscriber = yield* process.output.subscribe
      process.output.publish(data("one"))
      process.output.publish(data("two"))
      AgentProcess.onStarted(process, 7)
      process.output.publish(data("three"))
      AgentProcess.onExited(process, 0)
      const late = yield* process.output.subscribe
      assert.deepEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(subscriber.events)).map(tell), [
        ...["Start", "one", "two", "three", "End"]
      ])
      assert.deepEqual(Chunk.toReadonlyArray(yield* Stream.runCollect(late.events)).map(tell), [
        "Start",
        "End"
      ])
    })
  )
})
