import { diskBudget, type HostOptions } from "../HostOptions.js"
import * as ThisProcess from "../ThisProcess.js"
import type { SandboxRecord } from "./SandboxTable.js"

/** The envd that this host stands in for. The SDK uses less of older ones. */
const ENVD_VERSION = "0.6.13"
const CLIENT_ID = "embedded"
const MEGABYTE = 1024 * 1024

/** A time in milliseconds since 1970, as E2B writes it. */
export const time = (milliseconds: number): string => new Date(milliseconds).toISOString()

/** A template has one name here, where E2B has an id too. */
const named = ({ id, template }: SandboxRecord) => ({
  sandboxID: id,
  templateID: template,
  alias: template,
  clientID: CLIENT_ID,
  envdVersion: ENVD_VERSION
})

/** What the SDK needs to reach a sandbox. */
export const connection = (record: SandboxRecord) => ({
  ...named(record),
  envdAccessToken: record.accessToken
})

/** What a list shows of a sandbox. */
export const listed = (record: SandboxRecord, options: HostOptions) => ({
  ...named(record),
  startedAt: time(record.startedAt),
  endAt: time(record.endAt),
  state: "running",
  cpuCount: ThisProcess.processors,
  memoryMB: Math.floor(options.memoryBytes / MEGABYTE),
  diskSizeMB: Math.floor(diskBudget(options) / MEGABYTE),
  metadata: record.metadata
})

/** What is shown of one sandbox: none is paused when its time is up. */
export const shown = (record: SandboxRecord, options: HostOptions) => ({
  ...listed(record, options),
  envdAccessToken: record.accessToken,
  lifecycle: { onTimeout: "kill", autoResume: false }
})
