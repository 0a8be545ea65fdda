import { assert, describe, it } from "@effect/vitest"
import { Either } from "effect"
import * as ImageList from "../../src/settings/ImageList.js"

const { parse } = ImageList.format

describe("SANDBOX_IMAGES", () => {
  it("takes names and places, in the operator's order", () => {
    const found = Either.getOrThrow(parse(" r=/srv/r , data=/srv/a b=c,x-1=team/template:v2"))
    assert.deepStrictEqual(
      [...found],
      [
        ["r", "/srv/r"],
        ["data", "/srv/a b=c"],
        ["x-1", "team/template:v2"]
      ]
    )
  })

  for (const [text, wrong] of [
    ["data", "got 'data'"],
    ["data=", "got 'data='"],
    ["=x", "got '=x'"],
    ["Data=x", "got 'Data=x'"],
    ["a=x,", "got ''"],
    ["base=x", "got 'base=x'"],
    ["a=x,b=y,a=z", "got 'a' twice"],
    [Array.from({ length: 65 }, (_, n) => `a${n}=x`).join(), "got 65, where 64 is the most"]
  ] as const)
    it(`refuses ${text.slice(0, 20)}`, () => {
      assert.deepStrictEqual(Either.flip(parse(text)), Either.right(wrong))
    })
})
