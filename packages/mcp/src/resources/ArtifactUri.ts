import { Either, Encoding, Option } from "effect"

/** As RFC 6570 has it: a name may be a path. */
export const template = "bulkhead://executions/{executionId}/artifacts/{+name}"

/** The address of an artifact. */
export const of = (executionId: string, name: string): string =>
  `bulkhead://executions/${executionId}/artifacts/${name.split("/").map(encodeURIComponent).join("/")}`

const form = /^bulkhead:\/\/executions\/([A-Za-z0-9_-]{1,128})\/artifacts\/(.{1,4096})$/s

/** What an address names. None: it is no artifact's. */
export const parse = (
  uri: string
): Option.Option<{ readonly executionId: string; readonly name: string }> => {
  const [, executionId, encoded] = form.exec(uri) ?? []
  if (executionId === undefined || encoded === undefined) return Option.none()
  return Option.map(Either.getRight(Encoding.decodeUriComponent(encoded)), (name) => ({ executionId, name }))
}
