import { assert, describe, it } from "@effect/vitest"
import { isolationOf } from "../src/Backend.js"

describe("the isolation that the start tells of", () => {
  it("is E2B's where the sandboxes are E2B's", () => {
    assert.strictEqual(isolationOf({ template: "base" }), "E2B's cloud, a virtual machine for each execution")
  })

  it("is not claimed for a cluster of somebody else's", () => {
    const places = [
      { domain: "e2b.my.org" },
      { apiUrl: "http://10.0.0.1:3000" },
      { apiUrl: "http://10.0.0.1:3000", sandboxUrl: "http://10.0.0.2:3000" },
      { sandboxUrl: "http://10.0.0.2:3000" }
    ]
    assert.deepStrictEqual(places.map(isolationOf), [
      "whatever the E2B cluster at e2b.my.org isolates with; ask who runs it",
      "whatever the E2B cluster at http://10.0.0.1:3000 isolates with; ask who runs it",
      "whatever the E2B cluster at http://10.0.0.1:3000 and http://10.0.0.2:3000 isolates with; ask who runs it",
      "whatever the E2B cluster at http://10.0.0.2:3000 isolates with; ask who runs it"
    ])
  })
})
