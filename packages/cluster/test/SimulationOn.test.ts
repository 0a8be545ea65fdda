import { describe, it } from "@effect/vitest"
import { playAll } from "./Histories.js"

describe("admission over many replicas, on another core", { timeout: 1_200_000 }, () => {
  it.live("holds its caps and turns and loses no place in 1000 more histories", () => playAll(1001, 1000))
})
