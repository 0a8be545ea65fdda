/**
 * Settings of a server whose clock is off by so many minutes: all that it does by the time of day, and nothing else.
 */
export const settings = (minutes: number) => {
  const code = `
    const now = Date.now
    Date.now = () => now() + ${minutes * 60_000}
    globalThis.Date = new Proxy(Date, {
      construct: (real, args, target) => Reflect.construct(real, args.length === 0 ? [Date.now()] : args, target)
    })`
  return { NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(code)}` }
}
