// The operator's routes in a server that speaks `Request` and `Response`. The sandboxes are mocks.
import { FetchHandler } from "@bulkhead/http"
import { SandboxService } from "@bulkhead/sandbox"
import { MockSandboxProvider } from "@bulkhead/testing"
import { Layer } from "effect"

const Sandboxes = SandboxService.layer().pipe(Layer.provide(MockSandboxProvider.layer()))

const { dispose, handler: handleSandboxMonitoring } = FetchHandler.makeMonitoring(Sandboxes)

const env = { ADMIN_API_TOKEN: "a-long-random-text" }

/** What a server does with each request. */
const fetch = async (request: Request): Promise<Response> =>
  new URL(request.url).pathname.startsWith("/api/sandbox/")
    ? handleSandboxMonitoring(request, env)
    : new Response("my own page")

const show = async (path: string, headers: Record<string, string> = {}) => {
  const response = await fetch(new Request(`https://my.app${path}`, { headers }))
  console.log(path, response.status, (await response.text()).slice(0, 60))
}

await show("/")
await show("/api/sandbox/metrics/ann")
await show("/api/sandbox/metrics/ann", { authorization: `Bearer ${env.ADMIN_API_TOKEN}` })
await dispose()
