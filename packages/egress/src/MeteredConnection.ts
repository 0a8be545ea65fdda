import type { Socket } from "node:net"
import { Duplex } from "node:stream"
import { Effect, Exit, Runtime } from "effect"
import type { Meter } from "./Meter.js"

type Done = (error?: Error | null) => void
type Charge = (direction: "sent" | "received", bytes: number, done: Done) => void

/** A connection to the world, each piece of which is counted before it goes on. Nothing waits in it but one piece. */
class MeteredConnection extends Duplex {
  private readonly socket: Socket
  private readonly charge: Charge
  private isTaking = false
  private isWanted = false

  constructor(socket: Socket, charge: Charge) {
    super({ allowHalfOpen: true })
    this.socket = socket
    this.charge = charge
    socket.on("data", (bytes: Buffer) => this.receive(bytes))
    socket.once("end", () => this.push(null))
    socket.on("error", (error) => this.destroy(error))
    // After its end there may still be something to read here.
    socket.once("close", () => {
      if (!socket.readableEnded) this.destroy()
    })
    socket.pause()
  }

  private receive(bytes: Buffer): void {
    this.socket.pause()
    this.isTaking = true
    this.isWanted = false
    this.charge("received", bytes.length, (error) => {
      this.isTaking = false
      if (error) this.destroy(error)
      else if (this.push(bytes) || this.isWanted) this.socket.resume()
    })
  }

  override _read(): void {
    this.isWanted = true
    if (!this.isTaking) this.socket.resume()
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.charge("sent", bytes.length, (error) => {
      if (error) done(error)
      else this.socket.write(bytes, done)
    })
  }

  override _final(done: Done): void {
    this.socket.end(done)
  }

  override _destroy(error: Error | null, done: Done): void {
    this.socket.destroy()
    done(error)
  }
}

/** The same connection, with its bytes counted by the meter. It is cut when they are spent, and `onSpent` runs. */
export const make = (socket: Socket, meter: Meter, onSpent: Effect.Effect<void>): Effect.Effect<Duplex> =>
  Effect.map(Effect.runtime<never>(), (runtime) => {
    const run = Runtime.runCallback(runtime)
    const charge: Charge = (direction, bytes, done) => {
      run(
        Effect.tapError(meter.take(direction, bytes), () => onSpent),
        {
          onExit: Exit.match({
            onSuccess: () => done(),
            onFailure: () => done(new Error("the bytes of this sandbox are spent"))
          })
        }
      )
    }
    return new MeteredConnection(socket, charge)
  })
