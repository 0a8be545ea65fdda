import { Metric, MetricBoundaries } from "effect"

/** A metric that something is counted or timed with. */
export interface Described {
  readonly name: string
  readonly type: "counter" | "histogram"
  readonly help: string
  readonly labels: ReadonlyArray<string>
}

const instruments = new Map<unknown, Described>()

/** Every metric of the modules that are loaded, whether or not something has happened yet. */
export const described = (): ReadonlyArray<Described> => [...instruments.values()]

const describe = <M>(metric: M, description: Omit<Described, "labels">): M => {
  instruments.set(metric, { ...description, labels: [] })
  return metric
}

/** What a label's value counts as when there are too many different ones. */
export const other = "other"

/** Values of one label at most, since each is remembered for ever. */
const mostValues = 64

/**
 * A metric with labels, in bounded memory: of each label the first values count by themselves, 64 unless told, and all
 * others together as `other`.
 */
export const labelled = <Type, In, Out, Label extends string>(
  metric: Metric.Metric<Type, In, Out>,
  labels: ReadonlyArray<Label>,
  most = mostValues
) => {
  const description = instruments.get(metric)
  if (description !== undefined) instruments.set(metric, { ...description, labels })
  const known = new Map<Label, Set<string>>(labels.map((label) => [label, new Set()]))
  const members = new Map<string, Metric.Metric<Type, In, Out>>()

  const bounded = (label: Label, value: string) => {
    const values = known.get(label)
    if (values === undefined || values.has(value)) return value
    if (values.size >= most) return other
    values.add(value)
    return value
  }

  return (values: Readonly<Record<Label, string>>): Metric.Metric<Type, In, Out> => {
    const pairs = labels.map((label) => [label, bounded(label, values[label])] as const)
    const key = pairs.map(([, value]) => value).join("\0")
    const member =
      members.get(key) ??
      pairs.reduce((tagged, [label, value]) => Metric.tagged(tagged, label, value), metric)
    members.set(key, member)
    return member
  }
}

/** A count of what happened since the start. */
export const counter = (name: string, help: string) =>
  describe(Metric.counter(name, { description: help, incremental: true }), { name, help, type: "counter" })

const usualTimes = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

/** How long something took, in seconds: from a fast program to the longest that there is by default. */
export const seconds = (name: string, help: string) =>
  describe(Metric.histogram(name, MetricBoundaries.fromIterable(usualTimes), help), {
    ...{ name, help },
    type: "histogram"
  })
