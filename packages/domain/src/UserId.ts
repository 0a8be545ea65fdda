import { Schema } from "effect"

/**
 * Who an execution belongs to: 1 to 128 letters, digits or `_ . @ : + = , -`, so that it is safe in logs, paths and
 * headers.
 */
export const UserId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9_.@:+=,-]{1,128}$/, {
    message: () => "expected 1 to 128 letters, digits or _ . @ : + = , -",
    description: "Whose it is: 1 to 128 letters, digits or _ . @ : + = , -."
  }),
  Schema.brand("UserId")
)
export type UserId = typeof UserId.Type

/** The user of a request that names none. */
export const anonymous = UserId.make("anonymous")
