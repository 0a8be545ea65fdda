// A thread's program: analyses one program after the other, as it is asked to.
import { parentPort, workerData } from "node:worker_threads"
import { Either } from "effect"
import * as Analysis from "./Analysis.js"
import type { Answer, Question, ThreadData } from "./AnalysisThread.js"
import { ownRules } from "./OwnRules.js"
import { rounds, warmUp } from "./WarmUp.js"

const analysis = Analysis.make([...ownRules, ...(workerData as ThreadData).rules])

for (let round = 0; round < rounds; round++) for (const [language, code] of warmUp) analysis(code, language)

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
