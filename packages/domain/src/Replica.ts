import { Schema } from "effect"
import { Gpus } from "./Gpu.js"
import { CircuitState } from "./Metrics.js"

const text = (description: string) => Schema.String.annotations({ description })
const number = (description: string) => Schema.Number.annotations({ description })
const flag = (description: string) => Schema.Boolean.annotations({ description })

/** One of several servers that are one service, as it last said of itself. */
export const Replica = Schema.Struct({
  id: text("Of one life of the server: after a restart it is another."),
  instance: text("The server's name, the same in all of its lives."),
  address: text("Where the other replicas reach it: host and port."),
  version: text("Of Bulkhead, that it runs."),
  since: number("When it began, in milliseconds since the epoch, by the database's clock."),
  lastSeenAt: number("When it last gave a sign of life, by the same clock. It gives one every second."),
  isSilent: flag("Whether it has given none for 5 seconds."),
  isOwner: flag("Whether it decides for all of them who may run. Of a silent one that is not known: false."),
  isAnswering: flag("Whether it is the one that answers this."),
  circuit: CircuitState,
  running: number("Executions that it has permits for, as the database has them."),
  waiting: number("Executions that wait there, at its last sign of life."),
  gpus: Schema.Array(Gpus).annotations({
    description: "The GPUs that executions can be given there, by their kinds."
  }),
  gpusInUse: number("GPUs of its executions that have permits, as the database has them.")
})
export type Replica = typeof Replica.Type
