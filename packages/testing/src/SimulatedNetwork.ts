import {
  isSamePolicy,
  type NetworkAttempt,
  type NetworkPolicy,
  type NetworkReport,
  type NetworkRequest,
  noNetwork
} from "@bulkhead/domain"
import { NetworkRules, type SandboxOptions } from "@bulkhead/sandbox"
import { Layer } from "effect"

const bound: NetworkPolicy = { mode: "filtered", allow: ["a.example", "b.example"], deny: [] }

/** What the operator of the simulation allows. */
export const rules = Layer.succeed(NetworkRules, { bound, ofUsers: new Map() })

/** What one program in three asks for, each by its number. */
const asked: ReadonlyArray<NetworkRequest | undefined> = [
  undefined,
  undefined,
  { mode: "off" },
  undefined,
  undefined,
  { allow: ["a.example"] },
  undefined,
  undefined,
  { mode: "open" }
]

export const requestOf = (program: number): NetworkRequest | undefined => asked[program % asked.length]

/** What one program in nine may use, among those who ask for nothing else. */
export const secretsOf = (program: number) =>
  program % asked.length === 3 ? { KEY: { value: `value-of-${program}`, hosts: ["a.example"] } } : {}

/** What it must get, written down once more; what is wider than the bound must not run at all. */
const due: ReadonlyArray<NetworkPolicy | undefined> = asked.map((request) => {
  if (request === undefined) return bound
  if (request.mode === "open") return undefined
  return request.mode === "off" ? noNetwork : { ...bound, allow: ["a.example"] }
})

/** Whether a program may run in a sandbox with this policy. */
export const isRight = (program: number, policy: NetworkPolicy | undefined): boolean => {
  const expected = due[program % due.length]
  return expected !== undefined && policy !== undefined && isSamePolicy(expected, policy)
}

const attempt = (name: string, decision: "allowed" | "denied"): NetworkAttempt => ({
  ...{ at: 0, protocol: "connect", name, port: 443, decision },
  ...(decision === "denied" && { reason: "not_allowed" as const })
})

const attempts = [attempt("a.example", "allowed"), attempt("c.example", "denied")]

/** What is told of a program: it is let through once and refused once, and uses its secrets, as soon as it runs. */
export const reportFrom = (from: number, secrets: SandboxOptions["secrets"] = []): NetworkReport => {
  const uses = secrets.map(({ name }) => ({ ...attempt("a.example", "allowed"), secret: name }))
  const all = [...attempts, ...uses]
  return {
    attempts: all.slice(from),
    next: all.length,
    use: { connections: 1, denied: 1, sentBytes: 100, receivedBytes: 1000, missed: 0 }
  }
}
