// A thread's program: analyses one program after the other, as it is asked to.
import { parentPort, workerData } from "node:worker_threads"
import { Either } from "effect"
import * as Analysis from "./Analysis.js"
import type { Answer, Question, ThreadData } from "./AnalysisThread.js"
import { ownRules } from "./OwnRules.js"

const analysis = Analysis.make([...ownRules, ...(workerData as ThreadData).rules])

/** What takes every way of the parsers once, so that the first program is not slow. */
const warmUp = [
  ["import os\nfor x in [1]:\n  os.path.join('a', f'{x}')\n", "python"],
  ["const a = require('fs'); for (const x of [1]) a.read('a' + x)", "javascript"],
  ['for x in a b; do echo "$x" | cat; done', "bash"]
] as const

for (let round = 0; round < 30; round++) for (const [code, language] of warmUp) analysis(code, language)

const answerTo = ({ code, language }: Question): Answer =>
  Either.match(
    Either.try(() => analysis(code, language)),
    {
      // Code that is nested without an end takes the whole stack.
      onLeft: () => ({ _tag: "Beyond" }),
      onRight: (found) => ({ _tag: "Found", ...found })
    }
  )

parentPort?.on("message", (question: Question) => parentPort?.postMessage(answerTo(question)))
parentPort?.postMessage("ready")
