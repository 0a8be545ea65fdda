export * as McpHttp from "./http/McpHttp.js"
