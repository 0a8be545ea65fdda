import { type ExecutionResult, Harmless } from "@bulkhead/domain"
import { Effect, Either, Option } from "effect"
import type { Connection } from "../server/Connection.js"
import { Output, tell } from "../terminal/Output.js"
import * as Words from "../terminal/Words.js"
import * as Artifacts from "./Artifacts.js"

/** What a program's own exit code does not say. */
const verdict = ({ error, verdict }: ExecutionResult) =>
  error === undefined || verdict === "NonZeroExit"
    ? Effect.void
    : tell(Harmless.line(`${verdict}: ${error.message}`))

const files = (count: number) => (count === 1 ? "1 file" : `${count} files`)

/** Says what came of an execution, beside its output. What is not needed is said on a terminal alone. */
export const tellOf = Effect.fn("Report.tellOf")(function* (result: ExecutionResult, saves: boolean) {
  const { stderr } = yield* Output
  yield* verdict(result)
  if (saves || stderr.isTerminal)
    yield* Effect.forEach(result.rejectedArtifacts, ({ name, reason }) =>
      tell(Harmless.line(`${name}: ${reason}`))
    )
  if (!stderr.isTerminal) return
  yield* Effect.forEach(result.hints ?? [], (hint) => tell(Harmless.line(hint)))
  const kept = result.artifacts.length
  if (!saves && kept > 0) yield* tell(`it left ${files(kept)}, which --out DIR would have saved`)
})

/** Saves the files that it left, where that is asked for. Whether all are. */
export const save = Effect.fn("Report.save")(function* (
  connection: Connection,
  { artifacts, executionId }: ExecutionResult,
  place: Option.Option<Artifacts.Place>
) {
  if (Option.isNone(place)) return true
  const saved = yield* Artifacts.saveAll(connection, executionId, artifacts, place.value)
  yield* Effect.forEach(artifacts, ({ name, size }, at) => {
    const path = saved[at]
    if (path === undefined || Either.isLeft(path)) return tell(path?.left.message ?? name)
    return tell(`saved ${Harmless.line(path.right)} (${Words.size(size)})`)
  })
  return saved.every(Either.isRight)
})
