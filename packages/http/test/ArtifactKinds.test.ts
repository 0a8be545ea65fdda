import { AllowedArtifacts } from "@bulkhead/artifacts"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Either, Layer } from "effect"
import * as Stub from "./StubSandboxService.js"
import * as TestServer from "./TestServer.js"

const { asAdmin, json, send } = TestServer

const path = "/api/sandbox/artifact-kinds/alice"
const get = (path: string) => send(path, { headers: asAdmin })
const put = (body: string) =>
  send(path, { method: "PUT", headers: { ...asAdmin, "content-type": "application/json" }, body })

const allowed = AllowedArtifacts.layer({
  kinds: Either.getOrThrow(AllowedArtifacts.parse(".csv .png")),
  ofUsers: Either.getOrThrow(AllowedArtifacts.parseForUsers("alice -.png")),
  activeContent: "refuse"
})

const serve = Effect.provide(
  Layer.provideMerge(TestServer.layer(Stub.layer({}), { callerKeys: TestServer.callerKeys }), allowed)
)

describe("what a user's programs may leave", () => {
  it.effect("is shown, changed until the next start, and as it was again", () =>
    Effect.gen(function* () {
      const ofSettings = { groups: { data: ["csv"] }, activeContent: "refuse" }
      assert.deepStrictEqual(json(yield* get(path)), ofSettings)
      const bob = json(yield* get("/api/sandbox/artifact-kinds/bob"))
      assert.deepStrictEqual(bob.groups, { data: ["csv"], images: ["png"] })
      const changed = yield* put('{"kinds": ".txt +."}')
      assert.deepStrictEqual([changed.status, json(changed).groups], [200, { text: ["", "txt"] }])
      assert.deepStrictEqual(json(yield* get(path)), json(changed))
      const { of } = yield* AllowedArtifacts.AllowedArtifacts
      assert.deepStrictEqual(Object.keys(yield* of(TestServer.alice)).toSorted(), ["", "txt"])
      const reset = yield* send(path, { method: "DELETE", headers: asAdmin })
      assert.deepStrictEqual(json(reset), ofSettings)
    }).pipe(serve)
  )

  for (const [body, message] of [
    ['{"kinds": "pictures"}', /^kinds: expected names separated by spaces: .*, got 'pictures'$/],
    ['{"kinds": 1}', /^kinds: expected a text like 'images .csv' or '-video'$/],
    ['{"kind": "all"}', /kind/],
    ["[]", /^body: /]
  ] as const) {
    it.effect(`is not ${body}`, () =>
      Effect.gen(function* () {
        const answer = yield* put(body)
        assert.strictEqual(answer.status, 400, answer.text)
        assert.match(json(answer).error.message, message)
      }).pipe(serve)
    )
  }
})
