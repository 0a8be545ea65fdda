import type { ProcessEvent } from "../Guest/ProcessEvent.js"
import * as ConnectProtocol from "./ConnectProtocol.js"
import * as GoSignals from "./GoSignals.js"

/** envd's account of a wait status: the low seven bits are the signal, the high byte the exit code. */
const endOf = (status: number) => {
  const signal = status & 0x7f
  const exitCode = status >> 8
  if (signal === 0) {
    const text = `exit status ${exitCode}`
    return { exitCode, exited: true, status: text, ...(exitCode === 0 ? {} : { error: text }) }
  }
  const text = `signal: ${GoSignals.wordOf(signal)}`
  return { exitCode: -1, exited: false, status: text, error: text }
}

/** What clients hear while nothing happens. */
export const keepalive = ConnectProtocol.message('{"event":{"keepalive":{}}}')

/** A process's event as an envelope of envd's `process.Process`. */
export const encode = (event: ProcessEvent): Buffer => {
  switch (event._tag) {
    case "Start":
      return ConnectProtocol.message(`{"event":{"start":{"pid":${event.pid}}}}`)
    case "Data":
      return ConnectProtocol.message(
        `{"event":{"data":{"${event.channel}":"${event.bytes.toString("base64")}"}}}`
      )
    case "End":
      return ConnectProtocol.message(JSON.stringify({ event: { end: endOf(event.status) } }))
  }
}
