import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { Effect } from "effect"
import * as ServerProcess from "./ServerProcess.js"

// The bundle of a version that does not exist yet: this one's sources with a later name and migrations that are added.

export const name = "1000.0.0"

/** Which tables it alters, and whether servers of this version could not go on with that. */
export interface Alterations {
  readonly store?: "beside" | "alone"
  readonly cluster?: "beside"
}

const replaced = (text: string, what: string, by: string) => {
  if (!text.includes(what)) throw new Error(`the sources have not: ${what}`)
  return text.replace(what, by)
}

/** One more migration, which adds a column. */
const withMigration = (text: string, table: string) => {
  const known = text.match(/^ {2}"\d{4}_/gm)?.length ?? 0
  const key = `${String(known + 1).padStart(4, "0")}_later`
  const migration = `const later = Effect.gen(function* () {
    const sql = yield* SqlClient.SqlClient
    yield* sql\`ALTER TABLE ${table} ADD COLUMN later TEXT\`
  })
  const migrations = {
    "${key}": later,`
  return { key, text: replaced(text, "const migrations = {", migration) }
}

const sourcesOf = ({ cluster, store }: Alterations): Readonly<Record<string, (text: string) => string>> => ({
  "packages/api/src/BulkheadApi.ts": (text) =>
    replaced(text, "export const version = ", `export const version = "${name}" // `),
  ...(store && {
    "packages/store/src/Database/Migrations.ts": (text) => {
      const { key, text: more } = withMigration(text, "executions")
      const list = "const breaking: ReadonlyArray<Migration> = ["
      return store === "alone" ? replaced(more, list, `${list}"${key}", `) : more
    }
  }),
  ...(cluster && { "packages/cluster/src/Tables.ts": (text) => withMigration(text, "replicas").text })
})

interface Build {
  readonly onLoad: (
    options: { readonly filter: RegExp },
    load: (file: { readonly path: string }) => { readonly contents: string; readonly loader: "ts" }
  ) => void
}

const plugin = (alterations: Alterations) => ({
  name: "later-version",
  setup: (build: Build) => {
    for (const [path, change] of Object.entries(sourcesOf(alterations)))
      build.onLoad({ filter: new RegExp(`/${path.replaceAll(".", "\\.")}$`) }, (file) => ({
        contents: change(readFileSync(file.path, "utf8")),
        loader: "ts"
      }))
  }
})

const script = fileURLToPath(new URL("../../../scripts/bundle.mjs", import.meta.url))

/** The path of a bundle that is gone with the scope. */
export const bundle = (alterations: Alterations) =>
  Effect.tap(
    Effect.map(ServerProcess.bundleCopy, ({ server }) => server),
    (server) =>
      Effect.promise(async () => {
        const { bundleModule } = await import(script)
        await bundleModule("apps/server/src/main.ts", server, [plugin(alterations)])
      })
  )
