import { type Duration, Effect } from "effect"
import type { Block, Row } from "./Row.js"

/** One row's place in the plan. */
export interface Turn<A> {
  readonly row: A
  readonly concurrency: number
  readonly round: number
}

/** A turn and what came of it. */
export interface Sample extends Turn<Row> {
  readonly block: Block
}

const rotate = <A>(values: ReadonlyArray<A>, by: number): ReadonlyArray<A> => {
  const at = values.length === 0 ? 0 : by % values.length
  return [...values.slice(at), ...values.slice(0, at)]
}

/** Rows take turns at each concurrency, so that what disturbs the machine disturbs them all; each round begins with another row. */
export const plan = <A>(
  rows: ReadonlyArray<A>,
  concurrencies: ReadonlyArray<number>,
  rounds: number
): ReadonlyArray<Turn<A>> =>
  Array.from({ length: rounds }, (_, round) =>
    concurrencies.flatMap((concurrency) => rotate(rows, round).map((row) => ({ row, concurrency, round })))
  ).flat()

const take = (turn: Turn<Row>, duration: Duration.Duration) =>
  Effect.map(turn.row.run(turn.concurrency, duration), (block): Sample => ({ ...turn, block }))

/** A server that runs all day has its code compiled: short runs would measure the compiler. */
export const warmUp = (rows: ReadonlyArray<Row>, concurrency: number, duration: Duration.Duration) =>
  Effect.forEach(
    rows.filter(({ isSteady }) => isSteady !== true),
    (row) => row.run(concurrency, duration),
    { discard: true }
  )

/** Takes every turn of the plan, one after the other. */
export const run = (
  rows: ReadonlyArray<Row>,
  concurrencies: ReadonlyArray<number>,
  rounds: number,
  duration: Duration.Duration
) => Effect.forEach(plan(rows, concurrencies, rounds), (turn) => take(turn, duration))
