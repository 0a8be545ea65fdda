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
  // A worker that runs it tells so.
  "code.js": `fetch("${hit("script")}"); postMessage("ran"); new Image().src = "${hit("image")}"`,
  "style.css": `@import url("${hit("import")}"); body { background: url("${hit("background")}") }`,
  "page.txt": `<script>fetch("${hit("script")}")</script><img src="${hit("image")}">`,
  "data.json": `fetch("${hit("script")}")`,
  "notebook.ipynb": `{"cells":[{"cell_type":"markdown","metadata":{},"source":"<img src='${hit("image")}'><script>fetch('${hit("script")}')</script>"}],"metadata":{},"nbformat":4,"nbformat_minor":5}`,
  "document.pdf": `%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R /OpenAction << /S /URI /URI (${hit("uri")}) >> >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [] /Count 0 >>\nendobj\ntrailer\n<< /Root 1 0 R >>\nstartxref\n9\n%%EOF\n`
})

/** What takes an address in, in every way that a page has. */
const takingIn = (
  address: string
) => `<iframe src="${address}"></iframe><object data="${address}"></object><embed src="${address}">
  <img src="${address}"><video src="${address}"></video><audio src="${address}"></audio>
  <script src="${address}"></script><script type=module src="${address}"></script>
  <link rel=stylesheet href="${address}"><link rel=preload as=script href="${address}">`

/** A page that tries all ways with all addresses, and tells which of them worked. */
const embedding = (
  addresses: ReadonlyArray<string>
) => `<!doctype html>${addresses.map(takingIn).join("")}<script>
  const ways = {
    read: (address) => fetch(address).then((answer) => answer.text()),
    opaque: (address) => fetch(address, { mode: "no-cors" }).then((answer) => answer.text()),
    imported: (address) => import(address),
    started: (address) => new Promise((resolve, reject) => {
      const worker = new Worker(address)
      Object.assign(worker, { onerror: reject, onmessage: resolve })
    }),
    registered: (address) => navigator.serviceWorker.register(address)
  }
  const addresses = ${JSON.stringify(addresses)}
  const tries = addresses.flatMap((address) => Object.entries(ways).map(async ([way, use]) => {
    try { await use(address); return address.split("/").pop() + " was " + way } catch { return undefined }
  }))
  for (const address of addresses) window.open(address)
  window.done = Promise.all(tries.map((tried) => Promise.race([tried, new Promise((resolve) => setTimeout(resolve, 5000))])))
    .then((ended) => ended.filter(Boolean))
</script>`

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

/** In which ways a page of this origin could use addresses. */
const embedded = Effect.fnUntraced(function* (
  context: BrowserContext,
  page: Page,
  origin: string,
  addresses: ReadonlyArray<string>
) {
  const place = `${origin}/embedding.html`
  const body = embedding(addresses)
  // As if one could put a page there.
  yield* Effect.promise(() =>
    context.route(place, (route) => route.fulfill({ contentType: "text/html", body }))
  )
  yield* navigate(page, place)
  const ways = yield* Effect.promise(() => page.evaluate<Array<string>>("window.done"))
  yield* quiet(context)
  yield* Effect.promise(async () => {
    for (const open of context.pages()) if (open !== page) await open.close()
    await context.unroute(place)
  })
  return ways
})

it.scopedLive.skipIf(Browser.installed === undefined)(
  `nothing of an artifact runs in a browser, and nothing is sent${Browser.installed === undefined ? " (skipped: there is no Chromium here)" : ""}`,
  () =>
    Effect.gen(function* () {
      const { asked, pages, url: other } = yield* Browser.listener
      const { url } = yield* ServerProcess.ServerProcess
      const files = Object.fromEntries(
        Object.entries(hostile((from) => `${other}/hit/${from}`)).map(([name, content]) => [
          name,
          content.replaceAll("/hit/", `/hit/${name}/`)
        ])
      )
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

      const ran: Array<string> = []

      // What runs is seen to run, from either origin: a test that cannot fail would show nothing.
      pages.set("/page.html", files["page.html"] ?? "")
      pages.set("/code.js", files["code.js"] ?? "")
      yield* navigate(page, `${other}/page.html`)
      yield* quiet(context)
      assert.includeMembers(asked.splice(0), ["/hit/page.html/script", "/hit/page.html/style"])
      for (const origin of [other, url]) {
        assert.include(yield* embedded(context, page, origin, [`${other}/code.js`]), "code.js was imported")
        assert.include(asked.splice(0), "/hit/code.js/script", origin)
      }

      const addresses = kept.map((name) => `${url}/api/executions/${result.executionId}/artifacts/${name}`)
      for (const address of addresses) {
        if (yield* navigate(page, address)) ran.push(`${address} was shown`)
        ran.push(...asked.splice(0).map((path) => `${address} asked for ${path}`))
      }
      for (const origin of [other, url]) {
        const ways = yield* embedded(context, page, origin, addresses)
        // A page of the same origin may read what it has the key for; it may not run it.
        const allowed = origin === url ? / was (read|opaque)$/ : / was opaque$/
        ran.push(...ways.filter((way) => !allowed.test(way)).map((way) => `${way} by ${origin}`))
        ran.push(...asked.splice(0).map((path) => `asked for ${path} by ${origin}`))
      }
      assert.deepStrictEqual(ran, [])
    }).pipe(Effect.provide(ServerProcess.layer())),
  120_000
)
