import { describe, expect, it } from "@effect/vitest"
import { Either, JSONSchema, Redacted, Schema } from "effect"
import { ExecutionRequest, excessIn, faultOf, secretHeaderOf } from "../src/index.js"

const decode = Schema.decodeUnknownEither(ExecutionRequest, { onExcessProperty: "error" })
const read = (secret: unknown) => decode({ code: "1", secrets: { KEY: secret } })
const good = { value: "sk-0123456789", hosts: ["api.openai.com"] }

describe("the secrets of a request", () => {
  it("are redacted as soon as they are read", () => {
    const request = Either.getOrThrow(read(good))
    expect(Redacted.value(request.secrets.KEY?.value ?? Redacted.make(""))).toBe(good.value)
    expect(JSON.stringify(request)).not.toContain(good.value)
    expect(String(request.secrets.KEY?.value)).not.toContain(good.value)
  })

  const accepted: ReadonlyArray<readonly [string, unknown]> = [
    ["a name of the operator's", { name: "openai" }],
    ["a port", { ...good, hosts: ["api.example.com:8443"] }],
    ["a header", { ...good, header: "X-Api-Key: {}" }],
    ["null for what is left out", { ...good, header: null, name: null }]
  ]
  for (const [what, secret] of accepted)
    it(`take ${what}`, () => expect(Either.isRight(read(secret))).toBe(true))

  const refused: ReadonlyArray<readonly [string, unknown, string, string]> = [
    ["short values", { ...good, value: "sk-live" }, "secrets.KEY.value", "8 to 8192 characters"],
    ["long values", { ...good, value: "x".repeat(8193) }, "secrets.KEY.value", "8 to 8192 characters"],
    [
      "values of several lines",
      { ...good, value: "sk-secret\r\nX: y" },
      "secrets.KEY.value",
      "printable ASCII"
    ],
    ["values that are no text", { ...good, value: 12345678901 }, "secrets.KEY.value", "a number"],
    ["no hosts", { value: good.value }, "secrets.KEY.hosts", "is missing"],
    ["an empty list of hosts", { ...good, hosts: [] }, "secrets.KEY.hosts", "1 to 16 hosts"],
    ["wildcards", { ...good, hosts: ["*.openai.com"] }, "secrets.KEY.hosts.0", "a DNS name"],
    ["addresses", { ...good, hosts: ["127.0.0.1"] }, "secrets.KEY.hosts.0", "a DNS name"],
    ["URLs", { ...good, hosts: ["https://api.openai.com"] }, "secrets.KEY.hosts.0", "a DNS name"],
    ["a header without a place", { ...good, header: "Authorization" }, "secrets.KEY.header", "with {}"],
    ["the header Host", { ...good, header: "Host: {}" }, "secrets.KEY.header", "with {}"],
    ["two headers in one", { ...good, header: "A: {}\r\nB: c" }, "secrets.KEY.header", "with {}"],
    ["a name and a value", { ...good, name: "openai" }, "secrets.KEY.value", "expected none"],
    ["nothing", {}, "secrets.KEY.value", "or a name instead"],
    ["fields that there are not", { ...good, host: "a" }, "secrets.KEY.host", "is unexpected"]
  ]
  for (const [what, secret, field, message] of refused)
    it(`refuse ${what}`, () => {
      const fault = faultOf(Either.getOrThrow(Either.flip(read(secret))), "request")
      expect(fault.field).toBe(field)
      expect(fault.message).toContain(message)
      expect(fault.message).not.toContain("sk-")
    })

  it("refuse names that are no variable's, and more than there may be, without looking at them", () => {
    const fault = faultOf(
      Either.getOrThrow(Either.flip(decode({ code: "1", secrets: { "a-b": good } }))),
      "request"
    )
    expect(fault).toMatchObject({ field: "secrets.a-b" })
    const many = Object.fromEntries(Array.from({ length: 65 }, (_, at) => [`K${at}`, good]))
    expect(excessIn({ secrets: many }, 10)).toEqual({
      field: "secrets",
      message: "secrets: expected at most 64 secrets, got 65"
    })
  })

  it("are told of in the contract", () => {
    expect(JSON.stringify(JSONSchema.make(ExecutionRequest))).toContain("Authorization: Bearer {}")
  })

  it("say their header in two parts", () => {
    expect(secretHeaderOf("Authorization: Bearer {}")).toEqual({ name: "Authorization", form: "Bearer {}" })
  })
})
