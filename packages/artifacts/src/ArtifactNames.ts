/** A name beside another that is the same: `résumé.csv` becomes `résumé (2).csv`. */
const numbered = (name: string, number: number) => {
  const slash = name.lastIndexOf("/")
  const dot = name.lastIndexOf(".")
  // What begins with a dot has no extension.
  const end = dot > slash + 1 ? dot : name.length
  return `${name.slice(0, end)} (${number})${name.slice(end)}`
}

const free = (name: string, taken: ReadonlySet<string>) => {
  let candidate = name
  for (let number = 2; taken.has(candidate); number++) candidate = numbered(name, number)
  return candidate
}

/**
 * What files are called that a program has called so: the same, with accents composed (Unicode's normal form C), as a Mac
 * does not write them. Where two names then meet, the one that was not composed gets a number.
 */
export const composed = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  const taken = new Set(names.filter((name) => name === name.normalize("NFC")))
  return names.map((name) => {
    const whole = name.normalize("NFC")
    if (whole === name) return name
    const own = free(whole, taken)
    taken.add(own)
    return own
  })
}
