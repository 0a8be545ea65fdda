import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import type { BrowserContext, Page } from "playwright-core"
import * as Browser from "./Browser.js"
import * as Caller from "./Caller.js"
import * as ServerProcess from "./ServerProcess.js"

/** Files that call the listener as soon as anything of them runs, or is loaded. */
const hostile = (hit: (from: string) => string): Readonly<Record<string, string>> => ({
  "page.html": `<!doctype html><meta http-equiv=refresh content="0;url=${hit("refresh")}"><base href="${hit("base")}/">
    <link rel=stylesheet href="${hit("style")}"><script>fetch("${hit("script")}"); new Image().src = "${hit("image-of-script")}"</script>
    <body onload="navigator.sendBeacon('${hit("beacon")}')"><img src=x onerror="fetch('${hit("handler")}')"><img src="${hit("image")}">
    <iframe src="${hit("frame")}"></iframe><iframe srcdoc="<script>fetch('${hit("inner")}')</script>"></iframe>
    <form action="${hit("form")}"></form><script>document.forms[0].submit()</script>`,
  "drawing.svg": `<svg xmlns="http://www.w3.org/2000/svg" onload="fetch('${hit("onload")}')"><script>fetch("${hit("script")}")</script>
    <image href="${hit("image")}" width="9" height="9"/><foreignObject width="9" height="9"><iframe xmlns="http://www.w3.org/1999/xhtml" src="${hit("frame")}"/></foreignObject></svg>`,
  "page.xml": `<?xml version="1.0"?><?xml-stylesheet type="text/css" href="${hit("style")}"?>
    <x:html xmlns:x="http://www.w3.org/1999/xhtml"><x:script>fetch("${hit("script")}")</x:script><x:img src="${hit("image")}"/></x:html>`,
  "code.js": `fetch("${hit("script")}"); new Image().src = "${hit("image")}"`,
  "style.css": `@import url("${hit("import")}"); body { background: url("${hit("background")}") }`,
  "page.txt": `<script>fetch("${hit("script")}")</script><img src="${hit("image")}">`,
  "data.json": `fetch("${hit("script")}")`,
  "notebook.ipynb": `{"cells":[{"cell_type":"markdown","metadata":{},"source":"<img src='${hit("image")}'><script>fetch('${hit("script")}')</script>"}],"metadata":{},"nbformat":4,"nbformat_minor":5}`,
  "document.pdf": `%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /URI /URI (${hit("uri")}) >> >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n`
})

/** A page that takes in an address in every way that it can. */
const embedding = (address: string) => `<!doctype html><title>embedding</title>
  <iframe src="${address}"></iframe><object data="${address}"></object><embed src="${address}">
  <img src="${address}"><video src="${address}"></video><audio src="${address}"></audio>
  <script src="${address}"></script><script type=module src="${address}"></script>
  <link rel=stylesheet href="${address}"><link rel=preload as=script href="${address}">
  <script>
    window.done = (async () => {
      const tried = [
        fetch("${address}").then((r) => r.text()).then((text) => ["read", text.length]),
        fetch("${address}", { mode: "no-cors" }).then((r) => r.text()).then((text) => ["opaque", text.length]),
        import("${address}").then(() => ["imported"]),
        new Promise((resolve, reject) => { const w = new Worker("${address}"); w.onerror = reject; w.onmessage = resolve }),
        navigator.serviceWorker?.register("${address}").then(() => ["registered"])
      ]
      window.open("${address}")
      const ended = await Promise.race([Promise.allSettled(tried), new Promise((resolve) => setTimeout(resolve, 2000, []))])
      return ended.filter(({ status }) => status === "fulfilled").map(({ value }) => value)
    })()
  </script>`

const tookPlace = (page: Page) => Effect.promise(() => page.evaluate("window.done"))

const quiet = (context: BrowserContext) =>
  Effect.promise(() =>
    Promise.all(context.pages().map((page) => page.waitForLoadState("networkidle").catch(() => undefined)))
  )

/** Going to a download is no navigation: it is refused, and the file is saved. */
const navigate = (page: Page, address: string) =>
  Effect.promise(() =>
    page.goto(address).then(
      () => true,
      () => false
    )
  )

it.scopedLive.skipIf(Browser.installed === undefined)(
  `nothing of an artifact runs in a browser, and nothing is sent${Browser.installed === undefined ? " (skipped: there is no Chromium here)" : ""}`,
  () =>
    Effect.gen(function* () {
      const { asked, pages, url: other } = yield* Browser.listener
      const { url } = yield* ServerProcess.ServerProcess
      const files = hostile((from) => `${other}/hit/${from}`)
      const result = yield* Caller.execute({
        language: "python",
        code: `import json\nfor n, t in json.load(open("files.json")).items(): open("output/" + n, "w").write(t)`,
        files: [{ path: "files.json", content: JSON.stringify(files) }]
      })
      const kept = (result.artifacts ?? []).map(({ name }) => name)
      assert.includeMembers(kept, Object.keys(files), JSON.stringify(result.rejectedArtifacts))

      const browser = yield* Browser.browser
      const context = yield* Effect.acquireRelease(
        // Callers' keys travel in a header. A browser that had them is the worst that can be.
        Effect.promise(() => browser.newContext({ extraHTTPHeaders: Caller.asAdmin.headers })),
        (context) => Effect.promise(() => context.close())
      )
      const page = yield* Effect.promise(() => context.newPage())

      // The same page runs when it comes from anywhere else: a test that cannot fail would show nothing.
      pages.set("/plain.html", files["page.html"] ?? "")
      yield* navigate(page, `${other}/plain.html`)
      yield* quiet(context)
      assert.includeMembers(asked, ["/hit/script", "/hit/style"])
      asked.length = 0

      for (const name of kept) {
        const address = `${url}/api/executions/${result.executionId}/artifacts/${name}`
        assert.isFalse(yield* navigate(page, address), `${name} was shown`)
        pages.set("/embedding.html", embedding(address))
        for (const origin of [other, url]) {
          // A page of the server's own origin, as if one could be put there.
          yield* Effect.promise(() =>
            context.route(`${url}/embedding.html`, (route) =>
              route.fulfill({ contentType: "text/html", body: embedding(address) })
            )
          )
          yield* navigate(page, `${origin}/embedding.html`)
          const worked = (yield* tookPlace(page)) as ReadonlyArray<readonly [string]>
          yield* quiet(context)
          // A page of the same origin may read what it has the key for; it may not run it.
          const expected = origin === url ? ["read", "opaque"] : ["opaque"]
          for (const [way] of worked) assert.include(expected, way, `${name} from ${origin}`)
          yield* Effect.promise(() =>
            Promise.all(
              context
                .pages()
                .filter((open) => open !== page)
                .map((open) => open.close())
            )
          )
          yield* Effect.promise(() => context.unroute(`${url}/embedding.html`))
        }
        assert.deepStrictEqual(
          asked.filter((path) => path.startsWith("/hit")),
          [],
          name
        )
      }
    }).pipe(Effect.provide(ServerProcess.layer())),
  120_000
)
