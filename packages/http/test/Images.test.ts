import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { json, send } = TestServer

const images = {
  plain: { languages: [{ name: "python", version: "python 3.11.2" }], packages: [] },
  images: [
    {
      name: "data",
      description: "For numbers",
      languages: [{ name: "go", version: "go 1.19.8" }],
      packages: [{ from: "pypi" as const, name: "numpy", version: "2.1.0" }]
    }
  ]
}

describe("GET /api/images", () => {
  it.effect("tells what there is to choose from, and takes no other method", () =>
    Effect.gen(function* () {
      const answer = yield* send("/api/images")
      assert.strictEqual(answer.status, 200, answer.text)
      assert.deepStrictEqual(json(answer), images)
      assert.strictEqual((yield* send("/api/images", { method: "POST" })).status, 405)
      assert.strictEqual((yield* send("/api/images/data")).status, 404)
    }).pipe(Effect.provide(TestServer.layer(Stub.layer({ images: Effect.succeed(images) }))))
  )
})

const echo = Stub.layer({
  execute: (request) => Effect.succeed({ ...Stub.completed, stdout: JSON.stringify(request) })
})

describe("POST /api/execute", () => {
  it.effect("takes an image in JSON and as text in a form", () =>
    Effect.gen(function* () {
      const inJson = yield* TestServer.execute({ code: "1", image: "data" })
      assert.strictEqual(JSON.parse(json(inJson).stdout).image, "data")
      const form = new FormData()
      form.set("code", "1")
      form.set("image", "data")
      const inForm = yield* send("/api/execute", { method: "POST", body: form })
      assert.strictEqual(JSON.parse(json(inForm).stdout).image, "data")
    }).pipe(Effect.provide(TestServer.layer(echo)))
  )
})
