import { defaultLimits, LimitChanges, LimitsSchema, limitMeanings } from "@bulkhead/domain"
import { JSONSchema, Record, type Schema } from "effect"

const meaning = (limit: keyof typeof limitMeanings) => {
  const words = limitMeanings[limit]
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

/** Limits are described beside their schema, since a schema's description is what its errors say. */
const described = (schema: Schema.Schema.Any) => {
  const { $schema, ...written } = JSONSchema.make(schema, { target: "openApi3.1" })
  const properties = "properties" in written ? written.properties : {}
  return {
    ...written,
    properties: Record.map(properties, (property, name) => {
      const limit = name as keyof typeof limitMeanings
      return { ...property, description: meaning(limit), examples: [defaultLimits[limit]] }
    })
  }
}

export const LimitsBody = LimitsSchema.annotations({
  identifier: "Limits",
  description: "The limits in force",
  jsonSchema: described(LimitsSchema)
})

export const LimitChangesBody = LimitChanges.annotations({
  identifier: "LimitChanges",
  jsonSchema: described(LimitChanges)
})
