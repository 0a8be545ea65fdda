const message = {
  type: "object",
  description: "A message of JSON-RPC 2.0, as the Model Context Protocol has it.",
  required: ["jsonrpc"],
  properties: {
    jsonrpc: { type: "string", enum: ["2.0"], description: "The version of JSON-RPC." },
    id: {
      description: "Of a request, and of its answer. Absent of a notification.",
      anyOf: [{ type: "string" }, { type: "number" }]
    },
    method: {
      type: "string",
      description:
        "What is asked for: initialize, ping, tools/list, tools/call, resources/list, resources/read, and others of the protocol."
    },
    params: { type: "object", description: "What the method takes." },
    result: { type: "object", description: "Of an answer: what came of it." },
    error: { type: "object", description: "Of an answer: why nothing came of it." }
  },
  examples: [
    {
      jsonrpc: "2.0",
      id: 0,
      method: "initialize",
      params: {
        protocolVersion: "2025-06-18",
        capabilities: {},
        clientInfo: { name: "curl", version: "1" }
      }
    }
  ]
}

const schema = { $ref: "#/components/schemas/McpMessage" }
const json = { "application/json": { schema } }

const sessionHeader = (required: boolean) => ({
  name: "Mcp-Session-Id",
  in: "header",
  required,
  description: "As the answer to `initialize` has it. Every other message needs it.",
  schema: { type: "string" }
})

const refused = {
  400: { description: "The message is not of the protocol's form, or has no session", content: json },
  401: { description: "The right caller's key is missing", content: json },
  403: { description: "A page of another site asks, or without keys another machine", content: json },
  404: { description: "There is no such session of the caller, or it is over", content: json }
}

const common = { tags: ["mcp"], security: [{ callerKey: [] }, {}] }

const post = {
  ...common,
  operationId: "mcp.message",
  summary: "A message of the Model Context Protocol, over streamable HTTP",
  description:
    "For agents, where the server serves MCP. A client begins with `initialize`. A call that runs a program is answered as server-sent events, with its progress and last its result; closing that connection kills the program. `tools/list` says which tools there are.",
  parameters: [
    sessionHeader(false),
    {
      name: "Accept",
      in: "header",
      required: true,
      description: "Both application/json and text/event-stream.",
      schema: { type: "string" }
    }
  ],
  requestBody: { required: true, content: json },
  responses: {
    200: {
      description: "The answer, or events that end with it",
      headers: { "Mcp-Session-Id": { description: "After `initialize`.", schema: { type: "string" } } },
      content: { ...json, "text/event-stream": { schema: { type: "string" } } }
    },
    202: { description: "A notification was heard, or nobody waits for the answer any more" },
    ...refused,
    413: { description: "The message is larger than any that is taken", content: json },
    415: { description: "The body is not JSON, or is compressed", content: json },
    429: { description: "Too much is being received", content: json }
  }
}

const end = {
  ...common,
  operationId: "mcp.end",
  summary: "The end of a client's session",
  description: "Ends what the session's requests run.",
  parameters: [sessionHeader(true)],
  responses: { 204: { description: "The session is over" }, ...refused }
}

interface Document extends Record<string, unknown> {
  readonly paths: object
  readonly components: { readonly schemas: object }
}

/** MCP has a contract of its own, for which HttpApi has no words. */
export const added = (document: Record<string, unknown>): Record<string, unknown> => {
  const { components, paths } = document as Document
  return {
    ...document,
    paths: { ...paths, "/mcp": { post, delete: end } },
    components: { ...components, schemas: { ...components.schemas, McpMessage: message } }
  }
}
