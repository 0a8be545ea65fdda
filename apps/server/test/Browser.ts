import { existsSync } from "node:fs"
import { createServer } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"
import { chromium } from "playwright-core"

/** The Chromium of this machine, if it has one. */
export const installed = ["chromium", "chromium-browser", "google-chrome"]
  .map((name) => `/usr/bin/${name}`)
  .find(existsSync)

/** Chromium keeps pages from calling this machine, so that what runs would not be seen to call. */
const mayCall = "--disable-features=LocalNetworkAccessChecks,LocalNetworkAccessChecksWebRTC"

/** A browser without a window. Its own sandbox does not work for root. */
export const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({ executablePath: installed ?? "chromium", args: ["--no-sandbox", mayCall] })
  ),
  (browser) => Effect.promise(() => browser.close())
)

/** A server of another origin, which pages call when they run: it answers all, and tells what was asked of it. */
export const listener = Effect.acquireRelease(
  Effect.async<{
    readonly url: string
    readonly pages: Map<string, string>
    readonly asked: Array<string>
    readonly close: () => void
  }>((resume) => {
    const pages = new Map<string, string>()
    const asked: Array<string> = []
    const server = createServer((request, response) => {
      const path = request.url ?? ""
      const page = pages.get(path)
      if (page === undefined) asked.push(path)
      const type = path.endsWith(".js") ? "text/javascript" : "text/html"
      response.writeHead(200, { "content-type": type, "access-control-allow-origin": "*" })
      response.end(page)
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      resume(
        Effect.succeed({
          url: `http://127.0.0.1:${port}`,
          pages,
          asked,
          close: () => server.closeAllConnections()
        })
      )
    })
  }),
  ({ close }) => Effect.sync(close)
)
