import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Answer from "../src/Http/Answer.js"
import * as Routes from "../src/Http/Routes.js"

const handler = () => Effect.succeed(Answer.empty(204))

const route = (method: Routes.Route["method"], path: string): Routes.Route => ({ method, path, handler })

describe("Routes", () => {
  const find = Routes.finder([
    route("GET", "/things/:id"),
    route("POST", "/things/:id/parts"),
    { ...route("GET", "/things/all"), handler: () => Effect.succeed(Answer.empty(200)) },
    route("POST", "/a.b/C")
  ])
  const statusOf = (method: string, url: string) =>
    Effect.runSync(Effect.scoped(find(method, url).handler({} as never))).status

  it("give what stands for :id, whatever the query", () => {
    assert.deepInclude(find("GET", "/things/x7?a=/b"), { handler, id: "x7" })
    assert.deepInclude(find("POST", "/things/x7/parts"), { handler, id: "x7" })
  })

  it("prefer a path without :id", () => {
    assert.strictEqual(statusOf("GET", "/things/all?x=1"), 200)
  })

  it("answer HEAD as GET", () => {
    assert.strictEqual(statusOf("HEAD", "/things/all"), 200)
  })

  it("answer 404 to every other path and method", () => {
    for (const [method, url] of [
      ["DELETE", "/things/x7"],
      ["GET", "/things/"],
      ["GET", "/things/x7/more"],
      ["GET", "/more/things/x7"],
      ["POST", "/aXb/C"]
    ] as const)
      assert.strictEqual(statusOf(method, url), 404, url)
  })
})
