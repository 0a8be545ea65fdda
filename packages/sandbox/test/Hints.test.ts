import type { Verdict } from "@bulkhead/domain"
import { assert, describe, it } from "@effect/vitest"
import { FastCheck } from "effect"
import * as Hints from "../src/Execution/Hints.js"
import type { GuestReport } from "../src/Supervision/GuestReport.js"

const report: GuestReport = {
  ...{ reason: "", exited: true, status: 0, wallMs: 1, cpuMs: 1, peakBytes: 1_048_576, oomKills: 0 },
  ...{ memoryLimitBytes: 2_147_483_648, forksRefused: false, diskFull: false, invalid: false },
  ...{ leftRunning: 0, survivors: 0, clearedMs: 1, signals: [], stdoutBytes: 0, stderrBytes: 0, dropped: 0 },
  ...{ cpuQuota: true, outputs: false, beganAtUs: 1, outside: 0, outsideCut: false, outsideNames: [] },
  cgroup: "cgroup v2"
}

const hints = (verdict: Verdict, facts: Partial<GuestReport> = {}, more: Partial<Hints.Remarkable> = {}) =>
  Hints.of({
    verdict,
    report: { ...report, ...facts },
    stderr: "",
    outputDir: "output",
    denied: [],
    collected: { artifacts: [], rejected: [] },
    ...more
  })

const hex = (text: string) => Buffer.from(text).toString("hex")

describe("A program that did what it should", () => {
  it("has no remarks", () => assert.deepStrictEqual(hints("Completed"), []))

  it("is told of the memory limit that killed a part of it", () => {
    assert.deepStrictEqual(hints("Completed", { oomKills: 2 }), [
      "The memory limit of 2048 MB killed 2 processes of the program, which ended well all the same."
    ])
    assert.deepStrictEqual(hints("MemoryLimitExceeded", { oomKills: 2 }), [])
  })

  it("is told of the disk that was full", () =>
    assert.deepStrictEqual(hints("Completed", { diskFull: true }), [
      "The disk was full while the program ran: files that it wrote may be cut short."
    ]))

  it("is told of the files that it left elsewhere", () => {
    assert.deepStrictEqual(hints("Completed", { outside: 1, outsideNames: [hex("plot.csv")] }), [
      '1 file was left outside output/: plot.csv. Write files into $SANDBOX_OUTPUT_DIR, or send outputDir "." to have them.'
    ])
    const many = { outside: 7, outsideCut: true, outsideNames: [hex("a\n"), hex("d/b\u202e.csv")] }
    assert.deepStrictEqual(hints("Completed", many), [
      'At least 7 files were left outside output/: a\\u{a}, d/b\\u{202e}.csv, 5 more. Write files into $SANDBOX_OUTPUT_DIR, or send outputDir "." to have them.'
    ])
  })
})

describe("Want of memory", () => {
  const traces: Readonly<Record<string, string>> = {
    Node: "<--- Last few GCs --->\nFATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory\n----- Native stack trace -----\n\n 1: 0xca580 node::Abort() [node]\n",
    Java: 'Exception in thread "main" java.lang.OutOfMemoryError: Java heap space\n\tat M.main(M.java:1)\n',
    Python: 'Traceback (most recent call last):\n  File "main.py", line 1, in <module>\nMemoryError\n',
    numpy:
      "Traceback (most recent call last):\nnumpy.core._exceptions._ArrayMemoryError: Unable to allocate 7 TiB\n",
    Go: "fatal error: runtime: out of memory\n\nruntime stack:\n",
    "C++": "terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
    Rust: "memory allocation of 99999 bytes failed\n"
  }
  for (const [language, stderr] of Object.entries(traces))
    it(`is told of a program in ${language}, if it failed`, () => {
      for (const verdict of ["NonZeroExit", "Signalled"] as const)
        assert.include(
          hints(verdict, {}, { stderr })[0],
          "ran out of memory: it had 1 MB, its limit is 2048 MB"
        )
      for (const verdict of ["Completed", "TimeLimitExceeded", "Killed", "MemoryLimitExceeded"] as const)
        assert.deepStrictEqual(hints(verdict, {}, { stderr }), [])
    })

  it("is not told of a program that prints such words and fails of something else", () => {
    for (const stderr of [
      "MemoryError\nTraceback (most recent call last):\nValueError: 1\n",
      "I caught java.lang.OutOfMemoryError\n",
      "ValueError: MemoryError\n",
      `FATAL ERROR: heap out of memory\n${"x\n".repeat(9000)}`
    ])
      assert.deepStrictEqual(hints("NonZeroExit", {}, { stderr }), [])
  })
})

describe("Remarks", () => {
  it("say how many files were not kept", () =>
    assert.match(
      hints(
        "Completed",
        {},
        {
          collected: { artifacts: [], rejected: [], rejectedCounts: [{ reason: "no", count: 1480 }] }
        }
      )[0] ?? "",
      /^1480 files were not kept, beside 0 that were/
    ))

  it.prop(
    "are few, short, and without anything that controls a terminal, whatever names there are",
    [
      FastCheck.array(FastCheck.fullUnicodeString({ minLength: 1, maxLength: 60 }), { maxLength: 5 }),
      FastCheck.array(FastCheck.string(), { maxLength: 30 }),
      FastCheck.nat()
    ],
    ([names, own, count]) => {
      const facts = {
        outside: names.length + count,
        outsideNames: names.map(hex),
        oomKills: 1,
        diskFull: true
      }
      const collected = { artifacts: [], rejected: [], hints: own.map((hint) => hint.repeat(50)) }
      const all = hints("Completed", facts, { collected })
      assert.isAtMost(all.length, 10)
      for (const hint of all) assert.isAtMost(hint.length, 300)
      for (const hint of all.slice(0, 3)) assert.notMatch(hint, /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u)
    }
  )
})
