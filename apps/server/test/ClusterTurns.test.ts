import { assert, describe, it } from "@effect/vitest"
import * as ClusterTurns from "./ClusterTurns.js"

type History = ClusterTurns.History

const submission = (executionId: string, userId: string, sentAt: number, replica = "a") => ({
  ...{ executionId, userId, replica, sentAt },
  acceptedAt: sentAt + 1
})

const given = (executionId: string, userId: string, at: number) => ({
  executionId,
  userId,
  at,
  isGiven: true
})

const back = (executionId: string, userId: string, at: number) => ({
  executionId,
  userId,
  at,
  isGiven: false
})

const judge = (history: Partial<History>) =>
  ClusterTurns.judge({
    ...{ submissions: [], ledger: [], harms: [], perUser: 1 },
    owners: [{ replica: "b", at: 0 }],
    ...history
  })

const inTurn = {
  submissions: [submission("first", "ann", 10), submission("second", "ann", 20)],
  ledger: [given("first", "ann", 30), back("first", "ann", 40), given("second", "ann", 50)]
}

const outOfTurn = {
  ...inTurn,
  ledger: [given("second", "ann", 30), back("second", "ann", 40), given("first", "ann", 50)]
}

const harm = (replica: string) => ({ replica, what: "is killed", from: 25, until: 35 })

describe("the judge of turns", () => {
  it("has nothing to say of what comes first and goes first", () => {
    assert.deepStrictEqual(judge(inTurn), { violations: [], judged: 2, lateness: [] })
  })

  it("sees that what came later goes first", () => {
    assert.deepStrictEqual(judge(outOfTurn).violations, [
      "first of ann had its turn 20 ms after second, which came later"
    ])
  })

  it("says nothing of those that came at the same time, or whose replica came to harm", () => {
    const submissions = [submission("first", "ann", 20), submission("second", "ann", 20)]
    assert.deepStrictEqual(judge({ ...outOfTurn, submissions }).violations, [])
    assert.deepStrictEqual(judge({ ...outOfTurn, harms: [harm("a")] }).violations, [])
  })

  it("gives those some time whose owner changed, or came to harm", () => {
    const owners = [
      { replica: "b", at: 0 },
      { replica: "c", at: 25 }
    ]
    for (const unsettled of [{ owners }, { harms: [harm("b")] }])
      assert.deepStrictEqual(judge({ ...outOfTurn, ...unsettled }), {
        violations: [],
        judged: 0,
        lateness: [20]
      })
    const ledger = [given("second", "ann", 30), back("second", "ann", 40), given("first", "ann", 15_031)]
    assert.lengthOf(judge({ ...outOfTurn, ledger, owners }).violations, 1)
    assert.lengthOf(judge({ ...outOfTurn, harms: [harm("c")] }).violations, 1)
  })

  it("sees a user who has turn after turn while another waits, and may run", () => {
    const submissions = [submission("waits", "ann", 10)]
    const turns = [20, 30, 40, 50].flatMap((at) => [
      given(`b${at}`, "bob", at),
      back(`b${at}`, "bob", at + 5)
    ])
    const ledger = [...turns, given("waits", "ann", 60)]
    assert.deepStrictEqual(judge({ submissions, ledger }).violations, [
      "bob had 4 turns while waits of ann waited"
    ])
    assert.deepStrictEqual(judge({ submissions, ledger: ledger.slice(2) }).violations, [])
    const busy = [given("before", "ann", 5), ...turns, back("before", "ann", 58), given("waits", "ann", 60)]
    assert.deepStrictEqual(judge({ submissions, ledger: busy }).violations, [])
  })

  it("tells how long a change of owner took", () => {
    const history = {
      ...{ submissions: [], perUser: 1, harms: [harm("b"), { ...harm("c"), what: "is stopped" }] },
      owners: [
        { replica: "b", at: 0 },
        { replica: "c", at: 28 }
      ],
      ledger: [given("early", "ann", 27), given("late", "ann", 33)]
    }
    assert.deepStrictEqual(ClusterTurns.takeovers(history), [{ what: "is killed", owned: 3, given: 8 }])
  })
})
