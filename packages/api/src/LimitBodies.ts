import { defaultLimits, LimitChanges, LimitsSchema, limitMeanings, NetworkPolicy } from "@bulkhead/domain"
import { JSONSchema, Record, Schema } from "effect"

const meaning = (limit: keyof typeof limitMeanings) => {
  const words = limitMeanings[limit]
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}.`
}

const isLimit = (name: string): name is keyof typeof limitMeanings => Object.hasOwn(limitMeanings, name)

/** Limits are described beside their schema, since a schema's description is what its errors say. */
const described = (schema: Schema.Schema.Any) => {
  const { $schema, ...written } = JSONSchema.make(schema, { target: "openApi3.1" })
  const properties = "properties" in written ? written.properties : {}
  return {
    ...written,
    properties: Record.map(properties, (property, name) =>
      isLimit(name) ? { ...property, description: meaning(name), examples: [defaultLimits[name]] } : property
    )
  }
}

export const LimitsBody = LimitsSchema.annotations({
  identifier: "Limits",
  description: "The limits in force",
  jsonSchema: described(LimitsSchema)
})

/** The limits, and what the settings allow beside them. */
const LimitsInForce = Schema.Struct({
  ...LimitsSchema.fields,
  network: Schema.optional(
    NetworkPolicy.annotations({
      description: "What programs have of the network at most. Absent: the sandboxes hold to no policy."
    })
  )
})

export const LimitsInForceBody = LimitsInForce.annotations({
  identifier: "LimitsInForce",
  description: "The limits in force, and what the settings allow beside them",
  jsonSchema: described(LimitsInForce)
})

export const LimitChangesBody = LimitChanges.annotations({
  identifier: "LimitChanges",
  jsonSchema: described(LimitChanges)
})
