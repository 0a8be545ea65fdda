import type { ImageName } from "@bulkhead/domain"
import { Context } from "effect"

/**
 * The images that requests may choose, each with the template that the provider knows it by: none unless told. What is
 * not chosen is not looked at, so that an image that is broken is refused to those alone who ask for it.
 */
export class Images extends Context.Reference<Images>()("@bulkhead/sandbox/Images", {
  defaultValue: (): ReadonlyMap<ImageName, string> => new Map()
}) {}
