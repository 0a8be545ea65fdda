const number = new Intl.NumberFormat("en", { maximumFractionDigits: 1 })
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 })

export const count = (value: number) => whole.format(value)

const sizes = ["B", "KB", "MB", "GB", "TB"]

/** Bytes, by powers of 1024. */
export const bytes = (value: number) => {
  const power = value < 1 ? 0 : Math.min(sizes.length - 1, Math.floor(Math.log2(value) / 10))
  return `${number.format(value / 1024 ** power)} ${sizes[power]}`
}

/** Milliseconds. */
export const duration = (milliseconds: number) => {
  if (milliseconds < 1000) return `${whole.format(milliseconds)} ms`
  const seconds = milliseconds / 1000
  if (seconds < 60) return `${number.format(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes} min ${Math.floor(seconds % 60)} s`
  return `${whole.format(Math.floor(minutes / 60))} h ${minutes % 60} min`
}

/** US dollars. Sums of a night are often smaller than a cent. */
export const dollars = (value: number) =>
  `$${value.toLocaleString("en", value > 0 && value < 1 ? { maximumSignificantDigits: 3 } : { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" })
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" })

/** A moment in the operator's own time zone; the day where it is not today. */
export const moment = (milliseconds: number, now: number) => {
  const at = new Date(milliseconds)
  const time = clock.format(at)
  return at.toDateString() === new Date(now).toDateString() ? time : `${day.format(at)} ${time}`
}

export const iso = (milliseconds: number) => new Date(milliseconds).toISOString()

/** `1 process`, `2 processes`. */
export const counted = (value: number, one: string, many = `${one}s`) =>
  `${count(value)} ${value === 1 ? one : many}`
