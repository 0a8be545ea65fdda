import type { Usage } from "@bulkhead/domain"
import { Context } from "effect"
import type { SandboxSize } from "../Sandboxes/SandboxProvider.js"

/** US dollars for each second that a sandbox lives, whether it is busy or not. */
export interface PriceValues {
  readonly vcpuSecond: number
  readonly gibSecond: number
}

/** What a provider bills. Default: E2B's list price of August 2026. */
export class Prices extends Context.Reference<Prices>()("@bulkhead/sandbox/Prices", {
  defaultValue: (): PriceValues => ({ vcpuSecond: 0.000014, gibSecond: 0.0000045 })
}) {}

/** What sandboxes of this size used in so many milliseconds of life. */
export const usageOf = (
  sandboxMs: number,
  { memoryMB, vcpus }: SandboxSize,
  artifactBytes: number,
  prices: PriceValues
): Usage => {
  const vcpuSeconds = (vcpus * sandboxMs) / 1000
  const gibSeconds = ((memoryMB / 1024) * sandboxMs) / 1000
  const costUsd = vcpuSeconds * prices.vcpuSecond + gibSeconds * prices.gibSecond
  return { sandboxMs, vcpuSeconds, gibSeconds, artifactBytes, costUsd }
}
