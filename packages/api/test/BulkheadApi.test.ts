import * as Domain from "@bulkhead/domain"
import { type Refusal, rejectedResult } from "@bulkhead/domain"
import { OpenApi } from "@effect/platform"
import { assert, describe, it } from "@effect/vitest"
import { BulkheadApi, BulkheadApiWithMcp, refusalStatus, resultStatus } from "../src/index.js"

const { paths } = OpenApi.fromApi(BulkheadApiWithMcp)

const statuses = (path: string, method: "get" | "post") =>
  Object.keys(paths[path]?.[method]?.responses ?? {}).map(Number)

const schemaOf = (path: string, method: "get" | "post", status: number) =>
  JSON.stringify(paths[path]?.[method]?.responses[status]?.content?.["application/json"]?.schema)

interface Described {
  readonly description?: string
  readonly properties?: Readonly<Record<string, Described>>
  readonly anyOf?: ReadonlyArray<Described>
  readonly items?: Described
  readonly required?: ReadonlyArray<string>
  readonly examples?: ReadonlyArray<unknown>
  readonly type?: string
  readonly minimum?: number
  readonly exclusiveMinimum?: number
  readonly maximum?: number
}

/** The fields of a schema and of what is in it, by their paths. */
const fieldsIn = ({ anyOf = [], items, properties = {} }: Described): ReadonlyArray<[string, Described]> => [
  ...Object.entries(properties).flatMap(
    ([name, field]): ReadonlyArray<[string, Described]> => [
      [name, field],
      ...fieldsIn(field).map(([inner, each]): [string, Described] => [`${name}.${inner}`, each])
    ]
  ),
  ...[...anyOf, ...(items ? [items] : [])].flatMap(fieldsIn)
]

/** The fields of every schema that is anywhere in a value, with the path to each. */
const allFieldsIn = (value: unknown, path = ""): ReadonlyArray<[string, Described]> => {
  if (typeof value !== "object" || value === null) return []
  return Object.entries(value).flatMap(([name, inner]): ReadonlyArray<[string, Described]> => {
    if (name === "examples" || name === "default") return []
    const fields = name === "properties" ? Object.entries(inner as Readonly<Record<string, Described>>) : []
    return [
      ...fields.map(([field, each]): [string, Described] => [`${path}.${field}`, each]),
      ...allFieldsIn(inner, name === "properties" ? path : `${path}/${name}`)
    ]
  })
}

describe("the OpenAPI document", () => {
  it("has the contract's routes and no others", () => {
    const routes = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`)
    )
    assert.sameMembers(routes, [
      "post /api/execute",
      "get /api/executions",
      "get /api/executions/{executionId}",
      "post /api/executions/{executionId}/kill",
      "get /api/executions/{executionId}/artifacts",
      "get /api/executions/{executionId}/artifacts.zip",
      "post /api/executions",
      "get /api/executions/{executionId}/events",
      "get /api/executions/{executionId}/artifacts/{name}",
      "post /api/files",
      "get /api/images",
      "get /api/files",
      "get /api/files/{fileId}",
      "delete /api/files/{fileId}",
      "get /api/sandbox/metrics",
      "get /api/sandbox/metrics/{userId}",
      "get /api/sandbox/logs/{executionId}",
      "post /api/sandbox/kill/{executionId}",
      "get /api/sandbox/executions",
      "get /api/sandbox/executions/{executionId}",
      "get /api/sandbox/usage",
      "get /api/sandbox/audit/verify",
      "get /api/sandbox/replicas",
      "get /api/sandbox/limits",
      "put /api/sandbox/limits",
      "get /api/webhooks/secret",
      "post /api/webhooks/secret/rotate",
      "get /api/sandbox/artifact-kinds/{userId}",
      "put /api/sandbox/artifact-kinds/{userId}",
      "delete /api/sandbox/artifact-kinds/{userId}",
      "get /api/sandbox/webhooks/{userId}",
      "put /api/sandbox/webhooks/{userId}",
      "delete /api/sandbox/webhooks/{userId}",
      "get /api/sandbox/webhook-messages",
      "post /api/sandbox/webhook-messages/{messageId}/resend",
      "get /health",
      "get /ready",
      "post /mcp",
      "delete /mcp"
    ])
  })

  it("has every answer of an execution, each in the result's shape", () => {
    const answers = [200, 400, 401, 403, 413, 415, 422, 429, 500, 502, 503]
    assert.sameMembers(statuses("/api/execute", "post"), answers)
    for (const status of answers.filter((status) => status !== 500)) {
      assert.include(schemaOf("/api/execute", "post", status), "#/components/schemas/ExecutionResult")
    }
  })

  it("says that executions can be read as events, while they run and by their id", () => {
    const events = "/api/executions/{executionId}/events"
    assert.sameMembers(Object.keys(paths["/api/execute"]?.post?.responses[200]?.content ?? {}), [
      "application/json",
      "text/event-stream"
    ])
    assert.sameMembers(statuses(events, "get"), [200, 204, 400, 401, 403, 404, 429, 500, 503])
    assert.hasAllKeys(paths[events]?.get?.responses[200]?.content, ["text/event-stream"])
    assert.includeMembers(
      (paths[events]?.get?.parameters ?? []).map(({ name }) => name),
      ["executionId", "last-event-id", "after"]
    )
    assert.sameMembers(
      statuses("/api/executions", "post"),
      [202, 400, 401, 403, 413, 415, 422, 429, 500, 503]
    )
    assert.property(paths["/api/executions"]?.post?.responses[202], "headers")
  })

  it("has every answer of the admin routes, errors in one shape", () => {
    const kill = "/api/sandbox/kill/{executionId}"
    assert.sameMembers(statuses("/api/sandbox/metrics", "get"), [200, 400, 401, 500])
    assert.sameMembers(statuses("/api/sandbox/logs/{executionId}", "get"), [200, 400, 401, 404, 500, 503])
    assert.sameMembers(statuses("/api/sandbox/executions", "get"), [200, 400, 401, 500, 503])
    assert.sameMembers(
      statuses("/api/sandbox/executions/{executionId}", "get"),
      [200, 400, 401, 404, 500, 503]
    )
    assert.sameMembers(statuses("/api/sandbox/usage", "get"), [200, 400, 401, 500, 503])
    assert.sameMembers(statuses("/api/sandbox/audit/verify", "get"), [200, 400, 401, 500, 503])
    assert.sameMembers(statuses("/api/sandbox/replicas", "get"), [200, 400, 401, 500, 503])
    assert.sameMembers(statuses(kill, "post"), [200, 400, 401, 404, 409, 413, 415, 429, 500, 503])
    for (const status of [400, 401, 404, 409, 413, 415, 429, 500, 503]) {
      assert.include(schemaOf(kill, "post", status), "#/components/schemas/ErrorBody")
    }
  })

  it("has every answer of what callers ask about their own, errors in one shape", () => {
    const one = "/api/executions/{executionId}"
    const read = [200, 400, 401, 403, 404, 500, 503]
    assert.sameMembers(
      statuses("/api/executions", "get"),
      read.filter((status) => status !== 404)
    )
    for (const path of [one, `${one}/artifacts`, `${one}/artifacts.zip`]) {
      assert.sameMembers(statuses(path, "get"), read, path)
    }
    const kill = [...read, 409, 413, 415, 429]
    assert.sameMembers(statuses(`${one}/kill`, "post"), kill)
    for (const status of kill.filter((status) => status !== 200)) {
      assert.include(schemaOf(`${one}/kill`, "post", status), "#/components/schemas/ErrorBody")
    }
    assert.property(paths[`${one}/artifacts.zip`]?.get?.responses[200]?.content, "application/zip")
    assert.isFalse(paths[`${one}/kill`]?.post?.requestBody?.required)
  })

  it("describes every field of a request, with its default and its bounds", () => {
    const request = OpenApi.fromApi(BulkheadApi).components.schemas.ExecutionRequest as Described
    const fields = fieldsIn(request)
    assert.includeMembers(
      fields.map(([name]) => name),
      [...Object.keys(Domain.ExecutionRequest.fields), "files.path", "files.content", "files.encoding"]
    )
    for (const [name, { description }] of fields) assert.match(description ?? "", /^[A-Z].*\.$/s, name)
    assert.deepStrictEqual(request.required, ["code"])
    // What the page of the contract puts into its form, to be sent as it is.
    assert.deepStrictEqual(request.examples, [{ code: 'print("Hello, World!")', language: "python" }])
    const of = (field: string) => JSON.stringify(request.properties?.[field])
    assert.include(of("language"), '"default":"python"')
    assert.include(of("timeout"), '"exclusiveMinimum":0')
    assert.include(of("env"), '"maxProperties":4096')
    assert.include(of("args"), '"maxItems":1024')
  })

  it("describes every field of every schema, every operation, parameter and answer", () => {
    const { components } = OpenApi.fromApi(BulkheadApiWithMcp)
    const isDescribed = ({ description = "" }: Described) =>
      /^[A-Z].*\.$/s.test(description) || description === Domain.errorTable
    const undescribed = allFieldsIn({ components, paths }).filter(([, field]) => !isDescribed(field))
    assert.deepStrictEqual(
      undescribed.map(([name]) => name),
      []
    )
    for (const [path, methods] of Object.entries(paths)) {
      for (const [method, { description, parameters, responses, summary }] of Object.entries(methods)) {
        assert.isNotEmpty(summary, `${method} ${path}`)
        assert.match(description ?? "", /\.$/, `${method} ${path}`)
        for (const { description, name, schema } of parameters)
          assert.match(description ?? (schema as Described).description ?? "", /\.$/, `${path} ${name}`)
        for (const { description } of Object.values(responses)) assert.isNotEmpty(description)
      }
    }
  })

  it("says of every limit its unit, its bounds and its default", () => {
    const { LimitChanges, Limits } = OpenApi.fromApi(BulkheadApi).components.schemas as Record<
      string,
      Described
    >
    assert.sameMembers(Object.keys(Limits?.properties ?? {}), Object.keys(Domain.defaultLimits))
    assert.include(Limits?.properties?.maxTimeout, {
      description: "Most seconds of wall time that a request may ask for.",
      exclusiveMinimum: 0,
      maximum: 86_400
    })
    assert.deepStrictEqual(Limits?.properties?.maxMemoryMB?.examples, [Domain.defaultLimits.maxMemoryMB])
    assert.include(Limits?.properties?.maxMemoryMB, { type: "integer", minimum: 16 })
    assert.notProperty(LimitChanges?.properties, "maxMemoryMB")
    assert.isUndefined(LimitChanges?.required?.[0])
  })

  it("has the table of all codes", () => {
    assert.include(
      JSON.stringify(OpenApi.fromApi(BulkheadApi)),
      JSON.stringify(Domain.errorTable).slice(1, -1)
    )
  })

  const artifact = "/api/executions/{executionId}/artifacts/{name}"

  it("has every answer of an artifact, and the headers that matter", () => {
    assert.sameMembers(statuses(artifact, "get"), [200, 206, 304, 400, 401, 403, 404, 416, 500, 503])
    for (const status of [400, 401, 403, 404, 416, 500, 503]) {
      assert.include(schemaOf(artifact, "get", status), "#/components/schemas/ErrorBody")
    }
    const { parameters, responses } = paths[artifact]?.get ?? {}
    assert.property(responses?.[200]?.content, "application/octet-stream")
    assert.property(responses?.[416], "headers")
    assert.includeMembers(
      (parameters ?? []).map(({ name }) => name),
      ["executionId", "name", "range", "if-range", "if-none-match"]
    )
    assert.property(responses?.[304], "headers")
    assert.notProperty(responses?.[304], "content")
  })

  it("names what a list can be asked for", () => {
    const parametersOf = (path: string) => (paths[path]?.get?.parameters ?? []).map(({ name }) => name)
    const page = ["cursor", "limit"]
    const span = ["from", "to"]
    const logs = "/api/sandbox/logs/{executionId}"
    assert.sameMembers(parametersOf(logs), ["executionId", "level", "event", ...span, ...page])
    assert.include(JSON.stringify(paths[logs]?.get?.responses[200]), "X-Next-Cursor")
    assert.sameMembers(parametersOf("/api/sandbox/usage"), ["userId", ...span, ...page])
    assert.sameMembers(parametersOf("/api/sandbox/executions"), [
      "userId",
      "state",
      "verdict",
      ...span,
      ...page
    ])
    const header = paths["/api/execute"]?.post?.parameters.map(({ name }) => name)
    assert.deepStrictEqual(header, ["Idempotency-Key"])
  })

  it("says which routes take which token", () => {
    assert.deepStrictEqual(paths["/api/execute"]?.post?.security, [{ callerKey: [] }, {}])
    for (const [path, methods] of Object.entries(paths)) {
      if (!path.startsWith("/api/executions")) continue
      for (const [method, { security }] of Object.entries(methods)) {
        const whoReads = [{ adminToken: [] }, { callerKey: [] }, {}]
        const whoRuns = [{ callerKey: [] }, {}]
        assert.deepStrictEqual(
          security,
          `${method} ${path}` === "post /api/executions" ? whoRuns : whoReads,
          path
        )
      }
    }
    assert.deepStrictEqual(paths["/health"]?.get?.security, [])
    for (const [path, methods] of Object.entries(paths)) {
      if (!path.startsWith("/api/sandbox/")) continue
      for (const { security } of Object.values(methods))
        assert.deepStrictEqual(security, [{ adminToken: [] }])
    }
  })
})

describe("the status of an execution's answer", () => {
  const executionId = Domain.ExecutionId.make("exec_1")
  const fields = { executionId, message: "the reason", field: "code", retryAfter: 1 }

  it("follows the refusal", () => {
    const expected: ReadonlyArray<readonly [Refusal, number]> = [
      [new Domain.InvalidRequest(fields), 400],
      [new Domain.PermissionDenied(fields), 403],
      [new Domain.MaliciousCode(fields), 403],
      [new Domain.PolicyRefused({ ...fields, field: "network" }), 422],
      [new Domain.RequestTooLarge(fields), 413],
      [new Domain.UnsupportedMediaType(fields), 415],
      [new Domain.SystemAtCapacity(fields), 429],
      [new Domain.QuotaExceeded(fields), 429],
      [new Domain.QueueTimeout(fields), 429],
      [new Domain.IdempotencyConflict(fields), 422],
      [new Domain.RecordUnavailable(fields), 503],
      [new Domain.ShuttingDown(fields), 503]
    ]
    for (const [refusal, status] of expected) assert.strictEqual(refusalStatus(refusal), status)
  })

  it("is 502 only when no program could start", () => {
    const failed = {
      ...rejectedResult(executionId, Domain.executionError("MAX_RETRIES_EXCEEDED", "the reason")),
      verdict: "InternalError" as const
    }
    const metrics = { executionTimeMs: 0, retries: 3 }
    assert.strictEqual(resultStatus(failed), 502)
    assert.strictEqual(resultStatus({ ...failed, metrics }), 200)
    assert.strictEqual(resultStatus({ ...failed, verdict: "TimeLimitExceeded", metrics }), 200)
  })
})
