import type { Gpus, NetworkUse, Usage } from "@bulkhead/domain"
import { Context } from "effect"
import type { SandboxSize } from "../Sandboxes/SandboxProvider.js"

/** US dollars for each second that a sandbox lives, whether it is busy or not. */
export interface PriceValues {
  readonly vcpuSecond: number
  readonly gibSecond: number
  readonly gpuSecond: number
}

/** What a provider bills. Default: E2B's list price of August 2026, which has none for GPUs: they cost nothing. */
export class Prices extends Context.Reference<Prices>()("@bulkhead/sandbox/Prices", {
  defaultValue: (): PriceValues => ({ vcpuSecond: 0.000014, gibSecond: 0.0000045, gpuSecond: 0 })
}) {}

const networkOf = ({ connections, denied, receivedBytes, sentBytes }: NetworkUse) => ({
  networkConnections: connections,
  networkDenied: denied,
  sentBytes,
  receivedBytes
})

/** What sandboxes had. */
interface Allotted {
  readonly size: SandboxSize
  readonly gpus?: Gpus
}

/** What sandboxes with this used in so many milliseconds of life; absent when none lived. */
export const usageOf = (
  sandboxMs: number,
  { gpus, size: { memoryMB, vcpus } }: Allotted,
  artifacts: ReadonlyArray<{ readonly size: number }>,
  prices: PriceValues,
  network?: NetworkUse
): Usage | undefined => {
  if (sandboxMs === 0) return undefined
  const vcpuSeconds = (vcpus * sandboxMs) / 1000
  const gibSeconds = ((memoryMB / 1024) * sandboxMs) / 1000
  const gpuSeconds = ((gpus?.count ?? 0) * sandboxMs) / 1000
  const costUsd =
    vcpuSeconds * prices.vcpuSecond + gibSeconds * prices.gibSecond + gpuSeconds * prices.gpuSecond
  const artifactBytes = artifacts.reduce((sum, { size }) => sum + size, 0)
  return {
    ...{ sandboxMs, vcpuSeconds, gibSeconds, gpuSeconds, artifactBytes, costUsd },
    ...(network && networkOf(network))
  }
}
