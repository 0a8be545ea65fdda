import { Metric, MetricBoundaries } from "effect"

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
export const counter = (name: string, description: string) =>
  Metric.counter(name, { description, incremental: true })

const wholeTimes = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900]

/** How long something took, in seconds: from a fast program to the longest that there is by default. */
export const seconds = (name: string, description: string) =>
  Metric.histogram(name, MetricBoundaries.fromIterable(wholeTimes), description)
