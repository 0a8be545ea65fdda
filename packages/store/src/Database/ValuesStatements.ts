import type { SqlClient } from "@effect/sql"
import { Array as Arr } from "effect"

export type Row = ReadonlyArray<string | number | null>

/** A statement with its parameters, ready to be run. */
export interface Statement {
  readonly text: string
  readonly params: Row
}

/** Up to so many rows, a statement's text is made once. */
const usual = 32

/**
 * SQLite has it all in this process, and runs some statements that are prepared already faster than it prepares one; to PostgreSQL every statement
 * is a journey.
 */
const dialect = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({
    pg: () => ({ rowsAtOnce: 1000, parameter: (number: number) => `$${number}` }),
    orElse: () => ({ rowsAtOnce: usual, parameter: (_number: number) => "?" })
  })

/** How the parameter with a number, from 1, is written. In SQLite they are counted as they come. */
export const parameterOf = (sql: SqlClient.SqlClient) => dialect(sql).parameter

/** Makes statements that have rows of values in the middle of their text. */
export const make = (sql: SqlClient.SqlClient) => {
  const { parameter, rowsAtOnce } = dialect(sql)
  const values = (rows: number, columns: number) =>
    Arr.makeBy(rows, (row) => {
      const parameters = Arr.makeBy(columns, (column) => parameter(row * columns + column + 1))
      return `(${parameters.join(", ")})`
    }).join(", ")

  return (before: string, columns: number, after: string) => {
    const made = new Map<number, string>()
    const textOf = (rows: number) => {
      const known = made.get(rows)
      if (known !== undefined) return known
      const text = `${before} ${values(rows, columns)} ${after}`
      if (rows <= usual) made.set(rows, text)
      return text
    }
    return (rows: ReadonlyArray<Row>): ReadonlyArray<Statement> =>
      Arr.chunksOf(rows, rowsAtOnce).map((piece) => ({ text: textOf(piece.length), params: piece.flat() }))
  }
}
