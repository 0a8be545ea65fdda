import { effect, it, layer, live, scoped, scopedLive } from "@effect/vitest"

// `layer` puts its own ways of testing into the one `it` that all files of a worker have.
Object.assign(it, { effect, layer, live, scoped, scopedLive })
