import type { Duplex } from "node:stream"
import type { Effect, Option, Scope } from "effect"
import type { Refused } from "./Refused.js"

/** A connection that a program has asked for by name, and that is allowed. */
export interface Interception {
  /** The program's side, of which nothing has been read. */
  readonly client: Duplex
  /** Connects to an address that was judged for the name; its bytes count. May be used for more than one connection. */
  readonly dial: Effect.Effect<Duplex, Refused, Scope.Scope>
}

/** Serves a connection in the place of whom it was meant for. Done when it is over. */
export type Interceptor = (connection: Interception) => Effect.Effect<void, never, Scope.Scope>

/** Who serves connections to a name and port. None: whom they are meant for. */
export type Intercept = (name: string, port: number) => Option.Option<Interceptor>
