import { Socket } from "node:net"

/**
 * Ends with an error when nothing comes for so long, in milliseconds, after something was sent. What is on the way may
 * forget a connection without a word, and TCP itself notices that after a quarter of an hour.
 */
export class AnsweringSocket extends Socket {
  constructor(patience: number) {
    super()
    const awaitAnswer = () => {
      const send = this.write.bind(this)
      this.write = ((...sent: Parameters<typeof send>) => {
        this.setTimeout(patience)
        return send(...sent)
      }) as Socket["write"]
    }
    // Node puts its own method back when a socket begins to connect.
    this.once("connect", awaitAnswer)
    this.on("data", () => this.setTimeout(0))
    this.on("timeout", () => this.destroy(new Error(`no answer within ${patience / 1000} s`)))
  }
}
