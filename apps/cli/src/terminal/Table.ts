import { Harmless } from "@bulkhead/domain"

/** Rows below their headings, each column as wide as its widest cell. Whatever a cell holds stays in its line. */
export const lines = (
  headings: ReadonlyArray<string>,
  rows: ReadonlyArray<ReadonlyArray<string>>
): ReadonlyArray<string> => {
  const cells = [headings, ...rows.map((row) => row.map(Harmless.line))]
  const widths = headings.map((_, column) => Math.max(...cells.map((row) => row[column]?.length ?? 0)))
  return cells.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd()
  )
}
