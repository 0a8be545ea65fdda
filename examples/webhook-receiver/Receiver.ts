import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { Webhook } from "standardwebhooks"

/** Takes messages that are signed with this secret, and handles each once though it may come again. */
export const receiver = (secret: string, handle: (message: unknown) => void) => {
  const verifier = new Webhook(secret)
  const handled = new Set<string>()
  return createServer(async (request, response) => {
    const body = await text(request)
    const id = String(request.headers["webhook-id"])
    try {
      const message = verifier.verify(body, request.headers as Record<string, string>)
      if (!handled.has(id)) handle(message)
      handled.add(id)
      response.writeHead(204).end()
    } catch {
      response.writeHead(401).end()
    }
  })
}
