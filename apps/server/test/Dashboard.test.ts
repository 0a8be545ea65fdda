import { mkdirSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Layer } from "effect"
import * as Browser from "./Browser.js"
import * as Seed from "./DashboardSeed.js"
import * as ServerProcess from "./ServerProcess.js"

const screenshots = fileURLToPath(new URL("../../../.setup/dashboard", import.meta.url))

const Server = Layer.scoped(
  ServerProcess.ServerProcess,
  Effect.gen(function* () {
    const directory = yield* ServerProcess.temporaryDirectory
    const now = yield* Clock.currentTimeMillis
    yield* Seed.into(directory, Seed.plain(10_000, now))
    return yield* ServerProcess.start({
      SANDBOX_DATA_DIR: directory,
      SANDBOX_INSTANCE: Seed.instance,
      SANDBOX_MAX_CONCURRENT_SANDBOXES: "60",
      SANDBOX_MAX_SANDBOXES_PER_USER: "60"
    })
  })
)

layer(Server, { excludeTestServices: true, timeout: 60_000 })("try", (it) => {
  it.scoped(
    "try",
    () =>
      Effect.gen(function* () {
        mkdirSync(screenshots, { recursive: true })
        const { url } = yield* ServerProcess.ServerProcess
        const browser = yield* Browser.browser
        yield* Effect.promise(async () => {
          const page = await browser.newPage({ viewport: { width: 1360, height: 900 }, colorScheme: "dark" })
          page.on("console", (m) => console.log(m.type(), m.text()))
          page.on("pageerror", (e) => console.log("pageerror", e))
          await page.goto(`${url}/dashboard`)
          await page.getByLabel("Admin token").fill(ServerProcess.adminToken)
          await page.screenshot({ path: `${screenshots}/signin.png` })
          await page.getByRole("button", { name: "Sign in" }).click()
          await page.getByText("Latest executions").waitFor()
          await page.waitForTimeout(2500)
          await page.screenshot({ path: `${screenshots}/overview.png` })
          for (const p of [
            "executions",
            "executions/exec_seed00009999",
            "users",
            "limits",
            "audit",
            "webhooks"
          ]) {
            await page.goto(`${url}/dashboard#/${p}`)
            await page.waitForTimeout(700)
            await page.screenshot({ path: `${screenshots}/${p.replace("/", "-")}.png` })
          }
        })
        assert.isTrue(true)
      }),
    120000
  )
})
