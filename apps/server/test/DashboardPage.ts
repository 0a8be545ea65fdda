import { appendFileSync, mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert } from "@effect/vitest"
import axe from "axe-core"
import { Context, Effect, Layer } from "effect"
import type { BrowserContext, Browser as Chromium, Page, Request } from "playwright-core"
import * as Browser from "./Browser.js"
import * as ServerProcess from "./ServerProcess.js"
import * as SeverableProxy from "./SeverableProxy.js"

/** Where pictures of the pages are left. */
const screenshots = fileURLToPath(new URL("../../../.setup/dashboard", import.meta.url))

/** What a page did that no page may do. */
interface Misdeeds {
  readonly all: Array<string>
}

/** A browser whose operator is signed in. */
export class Operator extends Context.Tag("test/Operator")<
  Operator,
  {
    readonly browser: Chromium
    readonly context: BrowserContext
    readonly misdeeds: Misdeeds
    readonly url: string
    /** Cuts all connections of the browser. */
    readonly sever: () => void
  }
>() {}

/** Everything that a page asks for must come from its own server, and nothing may go wrong in it. */
const watch = (page: Page, url: string, { all }: Misdeeds) => {
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/dashboard`)) all.push(`asked for ${request.url()}`)
  })
  page.on("pageerror", (error) => all.push(`failed: ${error.message}`))
  page.on("dialog", (dialog) => {
    all.push(`asked: ${dialog.message()}`)
    dialog.dismiss()
  })
  page.on("popup", (popup) => all.push(`opened ${popup.url()}`))
  page.on("console", (message) => {
    // Refusals are part of the tests; the browser says them too.
    const isRefusal = /Failed to load resource/.test(message.text())
    if (message.type() === "error" && !isRefusal) all.push(`said: ${message.text()}`)
  })
}

const signedIn = Effect.gen(function* () {
  const server = yield* ServerProcess.ServerProcess
  const { sever, url } = yield* SeverableProxy.make(server.url)
  const browser = yield* Browser.browser
  const misdeeds: Misdeeds = { all: [] }
  const context = yield* Effect.promise(() =>
    browser.newContext({ viewport: { width: 1360, height: 900 }, timezoneId: "UTC", acceptDownloads: true })
  )
  context.setDefaultTimeout(15_000)
  context.on("page", (page) => watch(page, url, misdeeds))
  const page = yield* Effect.promise(() => context.newPage())
  yield* Effect.promise(async () => {
    await page.goto(`${url}/dashboard`)
    await page.getByLabel("Admin token").fill(ServerProcess.adminToken)
    await page.getByRole("button", { name: "Sign in" }).click()
    await page.getByRole("heading", { name: "Overview" }).waitFor()
    await page.close()
  })
  return { browser, context, misdeeds, sever, url }
})

export const layer = Layer.scoped(Operator, signedIn)

/** A page of somebody who has never signed in. */
export const strangersPage = Effect.flatMap(Operator, ({ browser }) =>
  Effect.acquireRelease(
    Effect.promise(() => browser.newPage()),
    (page) => Effect.promise(() => page.close())
  )
)

/** Uses a page of the operator's, which must have done nothing that no page may do. */
export const using = <A>(route: string, use: (page: Page) => Promise<A>) =>
  Effect.gen(function* () {
    const { context, misdeeds, url } = yield* Operator
    const page = yield* Effect.acquireRelease(
      Effect.promise(() => context.newPage()),
      (page) => Effect.promise(() => page.close())
    )
    return yield* Effect.promise(async () => {
      await page.goto(`${url}/dashboard#/${route}`)
      await page.getByText("Live", { exact: true }).waitFor()
      const value = await use(page)
      assert.isUndefined(await page.evaluate("window.wasHit"))
      assert.deepStrictEqual(misdeeds.all.splice(0), [])
      return value
    })
  })

export const goTo = (page: Page, route: string) =>
  page.evaluate(`location.hash = ${JSON.stringify(`#/${route}`)}`)

export const picture = async (page: Page, name: string) => {
  mkdirSync(screenshots, { recursive: true })
  await page.screenshot({ path: `${screenshots}/${name}.png` })
}

/** What people cannot use who do not see it, or use no pointer, by all of axe's rules unless told otherwise. */
export const violations = async (
  page: Page,
  rules?: ReadonlyArray<string>
): Promise<ReadonlyArray<string>> => {
  // The page's policy lets no script in but its own; the debugger's come in beside it.
  await page.evaluate(axe.source)
  const options: axe.RunOptions = { resultTypes: ["violations"], selectors: false }
  if (rules !== undefined) options.runOnly = [...rules]
  const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${JSON.stringify(options)})`)
  return violations.map(
    ({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 150)).join(" | ")}`
  )
}

/** Leaves numbers beside the pictures. */
export const measured = (numbers: Readonly<Record<string, number>>) => {
  mkdirSync(screenshots, { recursive: true })
  appendFileSync(`${screenshots}/measured.jsonl`, `${JSON.stringify(numbers)}\n`)
}

/** Waits until an expression holds. Playwright's own way is refused by the page's policy, as an `eval`. */
export const until = async (page: Page, expression: string) => {
  const holds = `(async () => {
    for (const start = performance.now(); performance.now() - start < 15000; await new Promise(requestAnimationFrame))
      if (${expression}) return true
    return false
  })()`
  assert.isTrue(await page.evaluate<boolean>(holds), `never: ${expression}`)
}

/**
 * Counts for so many milliseconds how often a page asks the server for something, and how often it changes what it
 * shows: changes within 100 ms of the first are one.
 */
export const pace = async (page: Page, milliseconds: number) => {
  let asked = 0
  const count = (request: Request) => {
    if (request.url().includes("/dashboard/api/")) asked++
  }
  page.on("request", count)
  const { changed, lasted } = await page.evaluate<{
    changed: number
    lasted: number
  }>(`new Promise((resolve) => {
    let changed = 0
    const begun = performance.now()
    let since = -Infinity
    const observer = new MutationObserver(() => {
      if (performance.now() - since < 100) return
      changed++
      since = performance.now()
    })
    observer.observe(document, { subtree: true, childList: true, attributes: true, characterData: true })
    setTimeout(() => {
      observer.disconnect()
      resolve({ changed, lasted: performance.now() - begun })
    }, ${milliseconds})
  })`)
  page.off("request", count)
  return { asked, changed, lasted }
}

/** Keeps requests of a kind from the server until they are released. */
export const hold = async (page: Page, method: string, url: string) => {
  const waiting: Array<() => Promise<void>> = []
  let isHeld = true
  await page.route(url, (route) => {
    if (!isHeld || route.request().method() !== method) return route.continue()
    waiting.push(() => route.continue())
  })
  return {
    release: async () => {
      isHeld = false
      await Promise.all(waiting.map((goOn) => goOn()))
    }
  }
}
