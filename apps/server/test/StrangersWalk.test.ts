import { readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Queue } from "effect"
import type { Page } from "playwright-core"
import * as Browser from "./Browser.js"
import * as Collector from "./observability/Collector.js"
import * as ServerProcess from "./ServerProcess.js"
import * as Terminal from "./Terminal.js"

const readme = readFileSync(fileURLToPath(new URL("../../../README.md", import.meta.url)), "utf8")

/** A command or a name that nobody knows who has not read the README. */
const said = (words: string) => {
  assert.include(readme, `\`${words}\``)
  return words
}

const endless = "import time\nfor n in range(10000):\n  print('line', n, flush=True)\n  time.sleep(0.1)\n"
const reason = "it counts for ever"

const signIn = async (page: Page, token: string) => {
  await page.getByLabel("Admin token").fill(token)
  await page.keyboard.press("Enter")
  await page.getByRole("heading", { name: "Overview" }).waitFor()
}

/** Watches what has just begun, ends it with a reason, and gives its id. */
const watchAndEnd = async (page: Page) => {
  await page
    .locator("main tbody")
    .getByRole("link", { name: /^exec_/ })
    .first()
    .click()
  const output = page.getByRole("region", { name: "Standard output" })
  await output.getByText("line 5").waitFor()
  await page.getByRole("button", { name: "End it…" }).click()
  await page.getByRole("dialog").getByRole("textbox").fill(reason)
  await page.keyboard.press("Enter")
  await page.getByText("Somebody asked for its end.").waitFor()
  return (await page.getByRole("heading", { level: 1 }).textContent()) ?? ""
}

/** What a click on the id of the execution's trace selects, to be copied. */
const traceShown = async (page: Page) => {
  await page
    .getByText(/^trace [0-9a-f]{32}$/)
    .locator("code")
    .click()
  return page.evaluate<string>("getSelection().toString()")
}

/** Comes back later, and looks for what was ended. */
const findAgain = async (page: Page, id: string) => {
  await page.getByRole("link", { name: "Executions", exact: true }).click()
  await page.getByLabel("Verdict").selectOption("Killed")
  await page.getByRole("link", { name: id }).click()
  await page.getByText(reason).first().waitFor()
}

/** The spans of a trace, up to the run of its execution, which ends after all that is beneath it. */
const traceOf = (spans: Queue.Dequeue<Collector.Span>, traceId: string) =>
  Effect.gen(function* () {
    const taken: Array<Collector.Span> = []
    const isRun = (span: Collector.Span) => span.name === "Execution.run" && span.traceId === traceId
    while (!taken.some(isRun)) taken.push(yield* Queue.take(spans))
    return taken.filter((span) => span.traceId === traceId)
  })

describe.skipIf(Browser.installed === undefined)("a stranger with the README alone", () => {
  it.scopedLive(
    "starts the server, runs code, watches it, ends it, finds it again with its reason, and reads its trace",
    () =>
      Effect.gen(function* () {
        const collector = yield* Collector.make()
        const directory = yield* ServerProcess.temporaryDirectory
        const server = yield* Terminal.open(said("npm start"), {
          PORT: "0",
          SANDBOX_DATA_DIR: join(directory, "data"),
          OTEL_BSP_SCHEDULE_DELAY: "100",
          [said("OTEL_EXPORTER_OTLP_ENDPOINT")]: collector.url
        })
        const [, token = ""] = yield* server.shows(/admin token +(\S+)/)
        const [, url = ""] = yield* server.shows(/dashboard +(\S+)\/dashboard\s/)
        const browser = yield* Browser.browser
        const page = yield* Effect.promise(() => browser.newPage())
        yield* Effect.promise(() => page.goto(`${url}${said("/dashboard")}`))
        yield* Effect.promise(() => signIn(page, token))

        const file = join(directory, "count.py")
        writeFileSync(file, endless)
        const run = yield* Terminal.open(said("npx bulkhead run FILE").replace("FILE", file), {
          [said("BULKHEAD_URL")]: url
        })
        yield* run.shows(/line 3\r?\n/)
        const id = yield* Effect.promise(() => watchAndEnd(page))
        const { code, shown } = yield* run.ended
        assert.strictEqual(code, 137, shown)
        assert.include(shown, reason)
        yield* Effect.promise(() => findAgain(page, id))

        const traceId = yield* Effect.promise(() => traceShown(page))
        assert.match(traceId, /^[0-9a-f]{32}$/)
        const trace = yield* traceOf(collector.spans, traceId)
        const names = trace.map(({ name }) => name)
        assert.includeMembers(names, ["Execution.run", "E2BSandbox.create", "E2BSandbox.run"])
        assert.include(trace.find(({ name }) => name === "Execution.run")?.attributes, {
          "bulkhead.execution.id": id,
          "bulkhead.verdict": "Killed"
        })
        yield* server.type("\u0003")
        assert.strictEqual((yield* server.ended).code, 0)
      }),
    300_000
  )
})
