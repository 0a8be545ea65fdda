import { Effect } from "effect"
import { LaunchFailed } from "../HostErrors.js"
import type { GuestUser } from "../Isolation/GuestUser.js"
import * as FileContent from "./FileContent.js"
import type { GuestSandbox } from "./GuestSandbox.js"

const writeFile = (guest: GuestSandbox, user: GuestUser, path: string, text: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const file = yield* FileContent.write(guest, user, path, {})
      yield* file.write(Buffer.from(text))
      yield* file.close
    })
  )

/** Puts into a sandbox what its programs must trust: as root where there is one, so that they cannot change it. */
export const write = (
  guest: GuestSandbox,
  users: ReadonlyArray<GuestUser>
): Effect.Effect<void, LaunchFailed> =>
  Effect.forEach(
    Object.entries(guest.trust?.files ?? {}),
    ([path, text]) => writeFile(guest, users.includes("root") ? "root" : "user", path, text),
    { discard: true }
  ).pipe(Effect.mapError(({ message }) => new LaunchFailed({ reason: `its certificates: ${message}` })))
