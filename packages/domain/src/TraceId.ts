import { Schema } from "effect"

/** The trace in which an execution is recorded, by the name that a trace's collector knows it by. */
export const TraceId = Schema.String.annotations({
  description:
    "The trace that it belongs to: 32 hexadecimal digits, of its request's `traceparent` or else the server's own. Absent: nobody records one.",
  examples: ["4bf92f3577b34da6a3ce929d0e0e4736"]
})
