import { assert, it } from "@effect/vitest"
import { Option, Redacted } from "effect"
import * as DataPlace from "../src/DataPlace.js"

const place = (url: string) =>
  DataPlace.describe({ databaseUrl: Option.some(Redacted.make(url)), directory: "/data" })

it("The place of the data has the database's host and name, and no password", () => {
  assert.strictEqual(DataPlace.describe({ databaseUrl: Option.none(), directory: "/data" }), "/data")
  const places = {
    "postgresql://ann:hush@db:5433/books": "PostgreSQL 'books' at db:5433, artifacts in /data",
    "postgres://ann:hush@[::1]/my%20books?password=hush":
      "PostgreSQL 'my books' at [::1], artifacts in /data",
    "postgresql://ann:hu%zz@%2Frun%2Fpostgresql/books":
      "PostgreSQL 'books' at /run/postgresql, artifacts in /data",
    "postgresql://ann:hush@db": "PostgreSQL 'ann' at db, artifacts in /data",
    "postgresql:///books?host=/run/pg": "PostgreSQL 'books' at /run/pg, artifacts in /data"
  }
  for (const [url, expected] of Object.entries(places)) assert.strictEqual(place(url), expected)
})
