/** A duration in a few characters, like `1.2 s` or `2 h 5 min`. */
export const duration = (milliseconds: number): string => {
  const seconds = milliseconds / 1000
  if (seconds < 10) return `${seconds.toFixed(1)} s`
  if (seconds < 120) return `${Math.floor(seconds)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** A moment, to the second, in UTC. */
export const moment = (milliseconds: number): string =>
  new Date(milliseconds).toISOString().replace("T", " ").slice(0, 19)

const units = ["B", "KB", "MB", "GB", "TB"]

/** A size in a few characters, like `1.2 MB`. */
export const size = (bytes: number): string => {
  const power = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, bytes)) / 3))
  return power === 0 ? `${bytes} B` : `${(bytes / 1000 ** power).toFixed(1)} ${units[power]}`
}
