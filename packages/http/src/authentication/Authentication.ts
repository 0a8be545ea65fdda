import { Layer } from "effect"
import * as AdminAuthentication from "./AdminAuthentication.js"
import * as CallerAuthentication from "./CallerAuthentication.js"
import * as ReaderAuthentication from "./ReaderAuthentication.js"

/** Operators hold the admin token. */
export const layerAdmin = AdminAuthentication.layer

/** Callers hold keys, and operators the admin token. */
export const layer = ReaderAuthentication.layer.pipe(
  Layer.provideMerge(Layer.merge(AdminAuthentication.layer, CallerAuthentication.layer))
)

/**
 * Operators hold the admin token; callers need no key, and may name any user. For a server that other machines cannot
 * reach, and for no other: all that is checked is that the `Host` header names this machine.
 */
export const layerThisMachine = ReaderAuthentication.layer.pipe(
  Layer.provideMerge(Layer.merge(AdminAuthentication.layer, CallerAuthentication.layerThisMachine))
)

/** Who may read artifacts, for implementations of one's own of who the operator and the callers are. */
export const layerReader = ReaderAuthentication.layer
