/** The types of frames between the host and the launcher. Below 20 the host sends them. */
export const LauncherFrame = { spawn: 1, kill: 2, relay: 3, ready: 20, died: 21 } as const

/** The types of frames between the host and a sandbox's agent. Below 20 the host sends them. */
export const AgentFrame = {
  start: 1,
  input: 2,
  closeInput: 3,
  signal: 4,
  credit: 5,
  file: 6,
  measure: 7,
  ready: 20,
  started: 21,
  startFailed: 22,
  stdout: 23,
  stderr: 24,
  exited: 25,
  inputDone: 26,
  measured: 27
} as const

const HEADER = 9

/** What goes before a payload: its length (4 bytes, big endian), type (1), id (4). */
export const header = (type: number, id: number, length: number): Buffer => {
  const bytes = Buffer.allocUnsafe(HEADER)
  bytes.writeUInt32BE(length, 0)
  bytes.writeUInt8(type, 4)
  bytes.writeUInt32BE(id, 5)
  return bytes
}

/** A frame: header, payload. */
export const encode = (type: number, id: number, payload: Uint8Array): Buffer =>
  Buffer.concat([header(type, id, payload.length), payload])

/** A frame whose payload is one number. */
export const encodeNumber = (type: number, id: number, value: number): Buffer => {
  const frame = Buffer.allocUnsafe(HEADER + 4)
  frame.writeUInt32BE(4, 0)
  frame.writeUInt8(type, 4)
  frame.writeUInt32BE(id, 5)
  frame.writeUInt32BE(value, HEADER)
  return frame
}

/** Takes bytes as they come and hands on whole frames. A payload is a view of those bytes. */
export const decoder = (onFrame: (type: number, id: number, payload: Buffer) => void) => {
  let pending: Buffer | undefined
  return (bytes: Buffer): void => {
    let rest = pending === undefined ? bytes : Buffer.concat([pending, bytes])
    while (rest.length >= HEADER) {
      const end = HEADER + rest.readUInt32BE(0)
      if (rest.length < end) break
      onFrame(rest.readUInt8(4), rest.readUInt32BE(5), rest.subarray(HEADER, end))
      rest = rest.subarray(end)
    }
    pending = rest.length === 0 ? undefined : rest
  }
}
