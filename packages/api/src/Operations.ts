/** An operation of the OpenAPI document. HttpApi has no words for some of what is true of one. */
export type Operation = Record<string, unknown>

/** Whoever has nothing to say sends no body. */
export const withoutBody = (operation: Operation): Operation => ({
  ...operation,
  requestBody: { ...(operation.requestBody as object), required: false }
})

/** A key is needed only where the server has any. */
export const withoutKey = (operation: Operation): Operation => ({
  ...operation,
  security: [...(operation.security as ReadonlyArray<object>), {}]
})
