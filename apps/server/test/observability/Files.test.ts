import { execFileSync, spawnSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import * as Exposed from "./Exposed.js"

const pathOf = (path: string) => fileURLToPath(new URL(`../../../../${path}`, import.meta.url))
const read = (path: string) => readFileSync(pathOf(path), "utf8")

const alerts = "deploy/prometheus/alerts.yml"
const dashboard: {
  readonly panels: ReadonlyArray<{
    readonly title: string
    readonly targets: ReadonlyArray<{ readonly expr: string }>
  }>
} = JSON.parse(read("deploy/grafana/dashboard.json"))

const expressions = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr))

const usedIn = (text: string) => text.match(/\b(bulkhead|nodejs|process)_\w+/g) ?? []

const hasPromtool = spawnSync("promtool", ["--version"]).status === 0

const row = ({ help, labels, name, type }: (typeof Exposed.all)[number]) =>
  `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(", ")} | ${help} |`

describe("what is deployed beside the server", () => {
  it("asks only for metrics that there are", () => {
    const used = [...usedIn(read(alerts)), ...expressions.flatMap(usedIn)]
    assert.isAbove(used.length, 40)
    assert.deepStrictEqual(
      used.filter((name) => !Exposed.names.has(name)),
      []
    )
  })

  it("asks for labels that these metrics have", () => {
    const labels = new Set(Exposed.all.flatMap(({ labels }) => labels))
    const ofPrometheus = ["instance", "job", "le", "datasource"]
    const used = [read(alerts), ...expressions].flatMap((text) =>
      [...text.matchAll(/(?:by \(([^)]*)\)|[{,]\s*(\w+)\s*(?:=~?|!=))/g)].flatMap(([, by = "", one = ""]) =>
        `${by},${one}`
          .split(",")
          .map((label) => label.trim())
          .filter((label) => label !== "")
      )
    )
    assert.isAbove(used.length, 40)
    assert.deepStrictEqual(
      used.filter((label) => !labels.has(label) && !ofPrometheus.includes(label)),
      []
    )
  })

  it.skipIf(!hasPromtool)("has rules and queries that Prometheus takes", () => {
    execFileSync("promtool", ["check", "rules", pathOf(alerts)], { stdio: "pipe" })
    const rules = {
      groups: [
        {
          name: "dashboard",
          rules: expressions.map((expr, index) => ({
            record: `panel_${index}`,
            expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*")
          }))
        }
      ]
    }
    const directory = mkdtempSync(join(tmpdir(), "bulkhead-test-"))
    const file = join(directory, "rules.yml")
    // JSON is YAML too.
    writeFileSync(file, JSON.stringify(rules))
    const checked = spawnSync("promtool", ["check", "rules", file], { encoding: "utf8" })
    rmSync(directory, { recursive: true })
    assert.strictEqual(checked.status, 0, checked.stderr + checked.stdout)
  })

  it("says in docs/observability.md what each metric means", () => {
    const table = ["| metric | kind | labels | meaning |", "|---|---|---|---|", ...Exposed.all.map(row)].join(
      "\n"
    )
    assert.include(read("docs/observability.md"), table)
  })
})
