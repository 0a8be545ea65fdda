import { Option } from "effect"

/** A member for what was given, and none for what was not. */
export const present = <Name extends string, A>(name: Name, value: Option.Option<A>) =>
  (Option.isSome(value) ? { [name]: value.value } : {}) as { readonly [_ in Name]?: A }
