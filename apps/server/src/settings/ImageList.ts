import { type ImagePlaces, Images } from "@bulkhead/sandbox"
import type { Format } from "./Setting.js"

/** Images by their names, each with the place where the backend finds it. */
export const format: Format<ImagePlaces> = { takes: Images.takes, parse: Images.parse, isSecret: false }
