import type { SqlClient } from "@effect/sql"
import { Array as Arr } from "effect"

export type Row = ReadonlyArray<string | number | null>

/** A statement with its parameters, ready to be run. */
export interface Statement {
  readonly text: string
  readonly params: Row
}

/** Rows up to which the texts of statements are cached. */
const mostCachedRows = 32

/**
 * SQLite runs in this process: some short statements that are prepared already are faster than one long one that is
 * not. With PostgreSQL, every statement is a round trip, so a statement takes many rows.
 */
const dialect = (sql: SqlClient.SqlClient) =>
  sql.onDialectOrElse({
    pg: () => ({ rowsAtOnce: 1000, parameter: (number: number) => `$${number}` }),
    orElse: () => ({ rowsAtOnce: mostCachedRows, parameter: (_number: number) => "?" })
  })

/** The text of a parameter, by its number from 1. */
export const parameterOf = (sql: SqlClient.SqlClient) => dialect(sql).parameter

/** Makes statements with a list of rows, as in `INSERT ... VALUES`, as many as the rows need. */
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
      if (rows <= mostCachedRows) made.set(rows, text)
      return text
    }
    return (rows: ReadonlyArray<Row>): ReadonlyArray<Statement> =>
      Arr.chunksOf(rows, rowsAtOnce).map((piece) => ({ text: textOf(piece.length), params: piece.flat() }))
  }
}
