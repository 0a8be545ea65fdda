import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import { GuestVoice } from "../src/Supervision/GuestReport.js"

const nonce = "c0ffee"

const listen = (pieces: ReadonlyArray<string>) => {
  const voice = new GuestVoice(nonce)
  const all = [...pieces.flatMap((piece) => voice.hear(piece)), ...voice.end()]
  return {
    text: all.map((heard) => (heard._tag === "Text" ? heard.text : "")).join(""),
    started: all.flatMap((heard) => (heard._tag === "Started" ? [[heard.cgroup, heard.ways]] : [])),
    reports: all.flatMap((heard) => (heard._tag === "Reported" ? [heard.report] : []))
  }
}

/** The text in pieces that end where the cuts say. */
const cut = (text: string, cuts: ReadonlyArray<number>) => {
  const places = [0, ...cuts.map((place) => place % (text.length + 1)).sort((a, b) => a - b), text.length]
  return places.slice(1).map((place, index) => text.slice(places[index], place))
}

describe("GuestVoice", () => {
  it.prop(
    "tells the supervisor from the program, however the stream is cut",
    [
      FastCheck.array(FastCheck.nat(500)),
      FastCheck.array(FastCheck.constantFrom("a", "\x1e", "\n", nonce, "\x1ec0f"))
    ],
    ([cuts, written]) => {
      const program = `${written.join("")}.`
      const stream = `\x1e${nonce} started none cgroup v1\n${program}\x1e${nonce} started user,setuid none\nend`
      const heard = listen(cut(stream, cuts))
      const forged = program.includes(`\x1e${nonce} `)
      assert.isFalse(forged)
      assert.strictEqual(heard.text, `${program}end`)
      assert.deepStrictEqual(heard.started, [
        ["cgroup v1", []],
        ["none", ["user", "setuid"]]
      ])
    }
  )

  it("takes nothing from a program that guesses the nonce wrong, and nothing malformed", () => {
    const forged = `\x1eother {"reason":"","exited":true}\n`
    const heard = listen([forged, `\x1e${nonce} {"reason":"because"}\n`, `\x1e${nonce} not json\n`])
    assert.strictEqual(heard.text, forged)
    assert.deepStrictEqual(heard.reports, [])
  })
})
