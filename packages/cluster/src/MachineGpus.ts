import type { Gpus } from "@bulkhead/domain"
import type { Admittee } from "@bulkhead/sandbox"
import type { Place, Session } from "./Protocol.js"

/**
 * The GPUs of all replicas' machines, to the queue of one process: each machine's are kinds of their own. A replica's
 * machine goes by the name that the replica has in all of its lives, since what a dead one left runs there still.
 */
export class MachineGpus {
  /** For `GpuSupply`. */
  readonly supply: Array<Gpus> = []

  /** What a machine has, as its replica says. */
  tell({ instance }: Session, gpus: ReadonlyArray<Gpus>): void {
    for (const { count, kind } of gpus) this.set(kindAt(instance, kind), count)
  }

  /** Who asks for a place, for the queue. */
  admittee({ instance }: Session, { executionId, gpus, userId }: Who): Admittee {
    if (gpus === undefined) return { executionId, userId }
    return { executionId, userId, gpus: { kind: kindAt(instance, gpus.kind), count: gpus.count } }
  }

  /** The same for one whose permit was given by an earlier owner: whatever it has is there. */
  holder(session: Session, who: Who): Admittee {
    const admittee = this.admittee(session, who)
    if (admittee.gpus !== undefined) this.set(admittee.gpus.kind, Number.MAX_SAFE_INTEGER)
    return admittee
  }

  private set(kind: string, count: number): void {
    const at = this.supply.findIndex((each) => each.kind === kind)
    this.supply[at < 0 ? this.supply.length : at] = { kind, count }
  }
}

type Who = Pick<Place, "executionId" | "userId" | "gpus">

/** The name of a kind has no line feed. */
const kindAt = (instance: string, kind: string) => `${instance}\n${kind}`
