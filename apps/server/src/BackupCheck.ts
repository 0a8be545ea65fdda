import { Backup } from "@bulkhead/store"
import { NodeContext } from "@effect/platform-node"
import { Console, Effect } from "effect"

const usage = "usage: npm run backup-check -- FILE, a copy of bulkhead.db"

const report = Effect.fnUntraced(function* (file: string) {
  const { audit, executions } = yield* Backup.check(file)
  const { broken, chains, checked } = audit
  if (broken !== undefined)
    return yield* new Backup.BackupUnusable({
      file,
      reason: `the audit chain of '${broken.instance}' does not verify: event ${broken.sequence} is ${broken.kind}`
    })
  const verified = chains.length === 1 ? "1 chain that verifies" : `${chains.length} chains that verify`
  yield* Console.log(`${file} is whole: ${executions} executions, ${checked} events in ${verified}`)
})

const tell = ({ message }: { readonly message: string }) =>
  Console.error(`bulkhead: ${message.replaceAll(/\s*\n\s*/g, " ")}`)

/** Says in one line whether a copy of the database can be restored from; fails where it cannot. */
export const run = (file: string | undefined): Effect.Effect<void, unknown> =>
  file === undefined
    ? Effect.tapError(Effect.fail({ message: usage }), tell)
    : report(file).pipe(Effect.tapError(tell), Effect.provide(NodeContext.layer))
