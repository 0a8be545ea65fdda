import { Client } from "@modelcontextprotocol/sdk/client/index.js"
import { StreamableHTTPClientTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js"
import type { Progress } from "@modelcontextprotocol/sdk/types.js"
import { Effect, Queue } from "effect"
import * as ServerProcess from "./ServerProcess.js"

/** The official client. */
export const client = () => new Client({ name: "test", version: "1" })

const withKey = (key: string | undefined) =>
  key === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${key}` } } }

/** How the official client speaks HTTP. */
export const http = (url: string, key?: string) =>
  new StreamableHTTPClientTransport(new URL("/mcp", url), withKey(key))

/** A client that has introduced itself; gone with the scope. */
export const connected = (key?: string) =>
  Effect.flatMap(ServerProcess.ServerProcess, ({ url }) =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const caller = client()
        const transport = http(url, key)
        // Its types have optional members that may not be undefined.
        await caller.connect(transport as never)
        return { caller, transport }
      }),
      ({ caller }) => Effect.promise(() => caller.close())
    )
  )

/** Calls a tool. Interrupting it cancels the call. */
export const call = (
  caller: Client,
  name: string,
  args: Record<string, unknown>,
  onprogress?: (progress: Progress) => void
) =>
  Effect.promise((signal) =>
    caller.callTool({ name, arguments: args }, undefined, {
      signal,
      timeout: 60_000,
      ...(onprogress && { onprogress })
    })
  ).pipe(
    // biome-ignore lint/suspicious/noExplicitAny: whatever JSON came.
    Effect.map((result) => result as any)
  )

/** What a call tells while it runs, to be taken as it comes. */
export const progress = Effect.map(Queue.unbounded<string>(), (messages) => ({
  messages,
  onprogress: ({ message = "" }: Progress) => void Queue.unsafeOffer(messages, message)
}))

/** Waits for a message that has this in it. */
export const until = (messages: Queue.Dequeue<string>, part: string): Effect.Effect<string> =>
  Effect.repeat(Queue.take(messages), { until: (message) => message.includes(part) })
