import type { NetworkUse, Usage } from "@bulkhead/domain"
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

const networkOf = ({ connections, denied, receivedBytes, sentBytes }: NetworkUse) => ({
  networkConnections: connections,
  networkDenied: denied,
  sentBytes,
  receivedBytes
})

/** What sandboxes of this size used in so many milliseconds of life; absent when none lived. */
export const usageOf = (
  sandboxMs: number,
  { memoryMB, vcpus }: SandboxSize,
  artifacts: ReadonlyArray<{ readonly size: number }>,
  prices: PriceValues,
  network?: NetworkUse
): Usage | undefined => {
  if (sandboxMs === 0) return undefined
  const vcpuSeconds = (vcpus * sandboxMs) / 1000
  const gibSeconds = ((memoryMB / 1024) * sandboxMs) / 1000
  const costUsd = vcpuSeconds * prices.vcpuSecond + gibSeconds * prices.gibSecond
  const artifactBytes = artifacts.reduce((sum, { size }) => sum + size, 0)
  return {
    ...{ sandboxMs, vcpuSeconds, gibSeconds, artifactBytes, costUsd },
    ...(network && networkOf(network))
  }
}
