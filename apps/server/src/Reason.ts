import { getSystemErrorMap } from "node:util"
import { Predicate } from "effect"

const words = new Map([...getSystemErrorMap().values(), ["ENOTFOUND", "unknown host"]])

/** What lies beneath an error. Node tries each address of a host, and gives the error of every one. */
const innermost = (error: unknown): unknown => {
  if (Predicate.hasProperty(error, "errors") && Array.isArray(error.errors) && error.errors.length > 0)
    return innermost(error.errors[0])
  return Predicate.hasProperty(error, "cause") && error.cause instanceof Error
    ? innermost(error.cause)
    : error
}

const remoteOf = (error: unknown) => {
  if (Predicate.hasProperty(error, "hostname")) return ` (${error.hostname})`
  if (!Predicate.hasProperty(error, "address")) return ""
  return Predicate.hasProperty(error, "port")
    ? ` (${error.address}, port ${error.port})`
    : ` (${error.address})`
}

/** Why something failed, in words: of the system's errors their meaning, of a driver's what it says. */
export const reasonOf = (error: unknown): string => {
  const inner = innermost(error)
  const meaning = Predicate.hasProperty(inner, "code") ? words.get(String(inner.code)) : undefined
  if (meaning !== undefined) return `${meaning}${remoteOf(inner)}`
  return Predicate.hasProperty(inner, "message") ? String(inner.message) : String(inner)
}
