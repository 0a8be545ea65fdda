import { Schema } from "effect"

/**
 * A text that is one part of a path. The router has decoded it; clients encode it, so that what somebody else calls an
 * id leads to no other route.
 */
export const pathText = (annotations: Schema.Annotations.Schema<string>) =>
  Schema.transform(Schema.String.annotations(annotations), Schema.String, {
    strict: true,
    decode: (text) => text,
    encode: encodeURIComponent
  })
