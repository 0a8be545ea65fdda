import { execFileSync } from "node:child_process"
import type { AddressInfo } from "node:net"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { Webhook } from "standardwebhooks"
import { receiver } from "./Receiver.js"

const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`
const body = '{"type":"execution.completed","data":{"text":"ü"}}'

/** As the server signs while a rotation lasts: with two secrets. */
const headersAt = (date: Date, signedBy = secret) => ({
  "webhook-id": "msg_1",
  "webhook-timestamp": String(Math.floor(date.getTime() / 1000)),
  "webhook-signature": ["whsec_bmV3", signedBy]
    .map((each) => new Webhook(each).sign("msg_1", date, body))
    .join(" ")
})

const old = new Date(Date.now() - 600_000)
const wrong = "whsec_d3Jvbmc="

it.scopedLive("the receiver in Node handles a message once, and no other", () =>
  Effect.gen(function* () {
    const messages: Array<unknown> = []
    const server = receiver(secret, (message) => messages.push(message))
    yield* Effect.acquireRelease(
      Effect.async<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () => Effect.async<void>((resume) => void server.close(() => resume(Effect.void)))
    )
    const { port } = server.address() as AddressInfo
    const send = (headers: Record<string, string>, text = body) =>
      Effect.promise(async () => {
        const init = { method: "POST", headers: { ...headers, connection: "close" }, body: text }
        return (await fetch(`http://127.0.0.1:${port}/`, init)).status
      })
    assert.strictEqual(yield* send(headersAt(new Date())), 204)
    assert.strictEqual(yield* send(headersAt(new Date())), 204)
    assert.strictEqual(yield* send(headersAt(new Date(), wrong)), 401)
    assert.strictEqual(yield* send(headersAt(old)), 401)
    assert.strictEqual(yield* send(headersAt(new Date()), `${body} `), 401)
    assert.deepStrictEqual(messages, [JSON.parse(body)])
  })
)

/** Asks the function in Python. */
const verified = (headers: Record<string, string>, text = body) => {
  const given = JSON.stringify({ secret, headers, text })
  const program =
    "import json, sys, verify; given = json.load(sys.stdin); " +
    "print(verify.verify(given['secret'], given['headers'], given['text'].encode()))"
  const options = {
    cwd: import.meta.dirname,
    input: given,
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: "1" }
  }
  return execFileSync("python3", ["-c", program], options).toString().trim() === "True"
}

it("the function in Python takes the same messages", () => {
  assert.isTrue(verified(headersAt(new Date())))
  assert.isFalse(verified(headersAt(new Date(), wrong)))
  assert.isFalse(verified(headersAt(old)))
  assert.isFalse(verified(headersAt(new Date()), `${body} `))
})
