import { type ExecutionError, visible } from "@bulkhead/domain"

export interface TextContent {
  readonly type: "text"
  readonly text: string
}

/** A file that a program left, by the address at which `resources/read` has it. */
export interface ResourceLink {
  readonly type: "resource_link"
  readonly uri: string
  readonly name: string
  readonly mimeType: string
  readonly size: number
}

/** What `tools/call` answers with. */
export interface ToolResult {
  readonly content: ReadonlyArray<TextContent | ResourceLink>
  /** Of the form that the tool says its answers have; absent when there is none. */
  readonly structuredContent?: object
  readonly isError: boolean
}

const textOf = (value: object): TextContent => ({ type: "text", text: visible(JSON.stringify(value)) })

/** A value, and the same as text for who reads nothing else: JSON, in which every character can be seen. */
export const of = (value: object, isError = false): ToolResult => ({
  content: [textOf(value)],
  structuredContent: value,
  isError
})

/** What could not be done, and why. */
export const failed = (error: ExecutionError): ToolResult => ({
  content: [textOf({ success: false, error })],
  isError: true
})
