import { ExecutionId, type ExecutionResult, type ExecutionUpdate, UpdateId } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { Journal } from "../src/Updates/Journal.js"
import * as KeptUpdates from "../src/Updates/KeptUpdates.js"
import { beginning, ofId, type UpdatePosition } from "../src/Updates/UpdatePosition.js"

const executionId = ExecutionId.make("exec_1")
const bytes = (text: string) => new TextEncoder().encode(text)
const id = (text: string) => UpdateId.make(text)

const result: ExecutionResult = {
  executionId,
  success: true,
  verdict: "Completed",
  stdout: "añb",
  stderr: "x",
  metrics: { retries: 0 },
  output: { stdoutBytes: 4, stderrBytes: 1, truncated: false },
  artifacts: [{ name: "a.txt", size: 1, sha256: "00", mediaType: "text/plain" }],
  rejectedArtifacts: [{ name: "b", reason: "Artifact validation failed: no" }]
}

/** All that there is now after a position. */
const readAll = (journal: Journal, from: UpdatePosition = beginning) => {
  const updates: Array<ExecutionUpdate> = []
  for (let at: UpdatePosition | "end" = from; at !== "end"; ) {
    const read = journal.read(at)
    if (read === undefined) break
    updates.push(read.update)
    at = read.next
  }
  return updates
}

const outputOf = (updates: ReadonlyArray<ExecutionUpdate>, stream: "stdout" | "stderr") =>
  updates.flatMap((update) => (update.type === stream ? [update.text] : [])).join("")

describe("a journal", () => {
  it("gives every update in order, output joined as far as nothing comes between", () => {
    const journal = new Journal()
    journal.tell({ type: "queued", executionId, ahead: 2 })
    journal.tell({ type: "started", executionId })
    journal.output("stdout", bytes("a"))
    journal.output("stdout", bytes("b"))
    journal.output("stderr", bytes("é"))
    journal.output("stdout", bytes("c"))
    journal.end({ type: "result", result })
    assert.deepStrictEqual(readAll(journal), [
      { type: "queued", id: id("0-1-0-0-0-0"), executionId, ahead: 2 },
      { type: "started", id: id("0-2-0-0-0-0"), executionId },
      { type: "stdout", id: id("0-2-2-0-0-0"), offset: 0, text: "ab" },
      { type: "stderr", id: id("0-2-2-2-0-0"), offset: 0, text: "é" },
      { type: "stdout", id: id("0-2-3-2-0-0"), offset: 2, text: "c" },
      { type: "artifact", id: id("0-2-3-2-1-0"), kept: result.artifacts[0] },
      { type: "artifact", id: id("0-2-3-2-1-1"), refused: result.rejectedArtifacts[0] },
      { type: "result", id: id("end"), result }
    ])
  })

  it("is read on from any update, also from within what another reader got as one", () => {
    const journal = new Journal()
    journal.tell({ type: "started", executionId })
    journal.output("stdout", bytes("ab"))
    journal.output("stdout", bytes("cd"))
    for (const [after, text] of [
      ["0-1-0-0-0-0", "abcd"],
      ["0-1-1-0-0-0", "bcd"],
      ["0-1-2-0-0-0", "cd"]
    ] as const) {
      const from = ofId(id(after))
      assert(from !== "end")
      assert.deepStrictEqual(readAll(journal, from), [
        { type: "stdout", id: id("0-1-4-0-0-0"), offset: 4 - text.length, text }
      ])
    }
  })

  it("cuts no text within a character, however large it is written", () => {
    const journal = new Journal()
    const text = `a${"é".repeat(60_000)}${"😀".repeat(10_000)}`
    journal.output("stdout", bytes(text))
    const updates = readAll(journal)
    assert.isAbove(updates.length, 2)
    assert.strictEqual(outputOf(updates, "stdout"), text)
  })

  it("keeps a bounded number of bytes, and says what a late reader has missed", () => {
    const journal = new Journal()
    journal.tell({ type: "started", executionId })
    for (let written = 0; written < 100; written++) {
      journal.output("stdout", bytes("x".repeat(10_000)))
      journal.output("stderr", bytes("y".repeat(100)))
    }
    const [missed, ...rest] = readAll(journal)
    assert(missed?.type === "missed")
    assert.isAtMost(outputOf(rest, "stdout").length, 256 * 1024)
    assert.isAbove(outputOf(rest, "stdout").length, 200 * 1024)
    assert.strictEqual((missed.stdout?.to ?? 0) + outputOf(rest, "stdout").length, 1_000_000)
    assert.strictEqual((missed.stderr?.to ?? 0) + outputOf(rest, "stderr").length, 10_000)
    assert.deepStrictEqual([missed.stdout?.from, missed.stderr?.from], [0, 0])
    const first = rest.find(({ type }) => type === "stdout")
    assert.strictEqual(first?.type === "stdout" && first.offset, missed.stdout?.to)
  })

  it("keeps a bounded number of entries of a program that writes byte by byte", () => {
    const journal = new Journal()
    for (let written = 0; written < 10_000; written++) {
      journal.output(written % 2 === 0 ? "stdout" : "stderr", bytes("x"))
    }
    const [missed, ...rest] = readAll(journal)
    assert(missed?.type === "missed")
    assert.strictEqual(rest.length, 4096)
  })

  it("tells of a retry first to who has missed it, and offsets begin anew", () => {
    const journal = new Journal()
    journal.tell({ type: "started", executionId })
    journal.output("stdout", bytes("first"))
    journal.tell({ type: "retrying", retry: 1, reason: "lost" })
    journal.output("stdout", bytes("x".repeat(60_000)))
    assert.deepStrictEqual(
      readAll(journal).map(({ id, type }) => [type, String(id)]),
      [
        ["started", "0-1-0-0-0-0"],
        ["stdout", "0-1-5-0-0-0"],
        ["retrying", "1-2-0-0-0-0"],
        ["stdout", "1-2-60000-0-0-0"]
      ]
    )
    for (let written = 0; written < 10; written++) journal.output("stdout", bytes("x".repeat(60_000)))
    const [retrying, missed, next] = readAll(journal, { ...beginning, others: 1, stdout: 3 })
    assert.deepInclude(retrying, { type: "retrying", id: id("1-2-0-0-0-0") })
    assert(missed?.type === "missed" && next?.type === "stdout")
    assert.deepStrictEqual(missed.stdout, { from: 0, to: next.offset })
  })

  it("gives its last update to who comes from a position that it never had", () => {
    const journal = new Journal()
    journal.output("stdout", bytes("a"))
    journal.end({ type: "result", result })
    const updates = readAll(journal, { attempt: 7, others: 1, stdout: 9_999, stderr: 0, kept: 0, refused: 0 })
    assert.deepStrictEqual(
      updates.map(({ type }) => type),
      ["result"]
    )
  })

  it("tells at its end of the files that were not told of when they were found, and of none twice", () => {
    const [first, second] = ["a.txt", "b.txt"].map((name) => ({ ...result.artifacts[0], name }))
    const [no, neither] = ["c", "d"].map((name) => ({ ...result.rejectedArtifacts[0], name }))
    const journal = new Journal()
    journal.tell({ type: "artifact", refused: no } as never)
    journal.tell({ type: "artifact", kept: first } as never)
    const whole = { ...result, artifacts: [first, second], rejectedArtifacts: [no, neither] }
    journal.end({ type: "result", result: whole as never })
    assert.deepStrictEqual(
      readAll(journal).map((update) => [String(update.id), "kept" in update, "refused" in update]),
      [
        ["0-0-0-0-0-1", false, true],
        ["0-0-0-0-1-1", true, false],
        ["0-0-0-0-2-1", true, false],
        ["0-0-0-0-2-2", false, true],
        ["end", false, false]
      ]
    )
  })
})

describe("what is kept of an execution that has ended", () => {
  const record = {
    executionId,
    userId: "ann" as never,
    state: "ended" as const,
    startedAt: 0,
    verdict: "Completed" as const
  }
  const after = (from: UpdatePosition, of: ExecutionResult = result) =>
    KeptUpdates.after({ ...record, result: of }, from).map(({ update }) => update)

  it("has the output, the artifacts and the result", () => {
    assert.deepStrictEqual(after(beginning), [
      { type: "stdout", id: id("0-0-4-0-0-0"), offset: 0, text: "añb" },
      { type: "stderr", id: id("0-0-4-1-0-0"), offset: 0, text: "x" },
      { type: "artifact", id: id("0-0-4-1-1-0"), kept: result.artifacts[0] },
      { type: "artifact", id: id("0-0-4-1-1-1"), refused: result.rejectedArtifacts[0] },
      { type: "result", id: id("end"), result }
    ] as never)
  })

  it("has for who reads on what they have not seen", () => {
    const updates = after({ attempt: 0, others: 2, stdout: 3, stderr: 1, kept: 1, refused: 0 })
    assert.deepStrictEqual(
      updates.map(({ id, type }) => [type, String(id)]),
      [
        ["stdout", "0-2-4-1-1-0"],
        ["artifact", "0-2-4-1-1-1"],
        ["result", "end"]
      ]
    )
    assert.include(updates[0], { offset: 3, text: "b" })
  })

  it("says which output is missed where no supervisor counted it and the middle is left out", () => {
    const cut = { ...result, output: { stdoutBytes: 3_000_000, stderrBytes: 1, truncated: true } }
    const [missed] = after({ ...beginning, stdout: 1000 }, cut)
    assert.deepInclude(missed, { type: "missed", stdout: { from: 1000, to: 3_000_000 } })
  })

  it("begins anew for who has seen an earlier attempt", () => {
    const updates = after({ ...beginning, others: 1, stdout: 2 }, { ...result, metrics: { retries: 2 } })
    assert.deepInclude(updates[0], { type: "retrying", retry: 2, id: id("2-2-0-0-0-0") })
    assert.strictEqual(outputOf(updates, "stdout"), "añb")
  })

  it("is how it ended, where no result is kept", () => {
    assert.deepStrictEqual(
      KeptUpdates.after(record, beginning).map(({ update }) => update),
      [{ type: "ended", id: id("end"), verdict: "Completed" }]
    )
  })
})

describe("the id of an update", () => {
  it("is read with care", () => {
    for (const wrong of [
      "",
      "1",
      "0-0-0-0-0",
      "0-0-0-0-0-0-0",
      "a-0-0-0-0-0",
      "0-0-99999999999999999-0-0-0",
      "END"
    ]) {
      assert.isFalse(Schema.is(UpdateId)(wrong), wrong)
    }
  })
})
