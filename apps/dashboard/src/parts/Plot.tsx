import { useLayoutEffect, useRef } from "preact/hooks"
import uPlot from "uplot"
import { isDark } from "./Theme.js"

export interface Series {
  readonly label: string
  /** A custom property of the style sheet. */
  readonly colour: string
  readonly isFilled?: boolean
  readonly isDashed?: boolean
}

interface PlotProps {
  readonly title: string
  /** What is in it, for who does not see it. */
  readonly words: string
  readonly series: ReadonlyArray<Series>
  /** Seconds since the epoch, then the values of each series. */
  readonly data: ReadonlyArray<ReadonlyArray<number>>
}

const height = 168
/** Seconds that are shown at least. */
const shortest = 600

const optionsOf = (series: ReadonlyArray<Series>, width: number): uPlot.Options => {
  const style = getComputedStyle(document.documentElement)
  const colour = (name: string) => style.getPropertyValue(name).trim()
  const axis = {
    stroke: colour("--quiet"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { show: false },
    font: "11px system-ui, sans-serif"
  }
  return {
    width,
    height,
    cursor: { y: false, points: { size: 5 } },
    legend: { live: true },
    scales: {
      x: { range: (_, min, max) => [Math.min(min, max - shortest), max] },
      y: { range: (_, _min, max) => [0, Math.max(4, Math.ceil(max * 1.1))] }
    },
    axes: [
      { ...axis, size: 26, values: "{HH}:{mm}" },
      { ...axis, size: 34, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000] }
    ],
    series: [
      { value: "{HH}:{mm}:{ss}" },
      ...series.map(
        ({ colour: name, isDashed, isFilled, label }): uPlot.Series => ({
          label,
          stroke: colour(name),
          width: 1.5,
          points: { show: false },
          ...(isFilled && { fill: `${colour(name)}22` }),
          ...(isDashed && { dash: [4, 4] })
        })
      )
    ]
  }
}

/** A plot of the last hour. */
export const Plot = ({ title, words, series, data }: PlotProps) => {
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef(data)
  latest.current = data
  const dark = isDark.value

  useLayoutEffect(() => {
    const element = place.current
    if (element === null) return
    const made = new uPlot(
      optionsOf(series, element.clientWidth),
      latest.current as unknown as uPlot.AlignedData,
      element
    )
    plot.current = made
    const observer = new ResizeObserver(() => made.setSize({ width: element.clientWidth, height }))
    observer.observe(element)
    return () => {
      observer.disconnect()
      made.destroy()
    }
  }, [dark])

  // With what else is shown anew, not a frame later.
  useLayoutEffect(() => {
    const shown = plot.current
    shown?.setData(data as unknown as uPlot.AlignedData)
    // The legend has what is now, unless the pointer is at something else.
    if (shown && (shown.cursor.left ?? -1) < 0) shown.setLegend({ idx: (data[0]?.length ?? 0) - 1 })
  }, [data, dark])

  return (
    <figure class="plot">
      <figcaption>
        <h2>{title}</h2>
        <span class="quiet">up to an hour</span>
      </figcaption>
      <div ref={place} role="img" aria-label={`${title}: ${words}`} />
    </figure>
  )
}
