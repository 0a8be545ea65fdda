import { ConfigError, Either } from "effect"

/** Where clamd listens: a Unix socket, or a host and port. */
export type ClamavAddress = { readonly path: string } | { readonly host: string; readonly port: number }

const tcp = /^tcp:(?:\[([0-9a-f:]+)\]|([^:[\]\s]+)):(\d{1,5})$/i

/** Reads `unix:/run/clamav/clamd.ctl` or `tcp:host:3310`. */
export const parseAddress = (text: string): Either.Either<ClamavAddress, ConfigError.ConfigError> => {
  const given = text.trim()
  if (/^unix:\/./.test(given)) return Either.right({ path: given.slice("unix:".length) })
  const [, ip, name, digits] = tcp.exec(given) ?? []
  const [host, port] = [ip ?? name, Number(digits)]
  return host !== undefined && port >= 1 && port <= 65_535
    ? Either.right({ host, port })
    : Either.left(
        ConfigError.InvalidData([], `expected unix:/path/of/a/socket or tcp:host:port, got '${text}'`)
      )
}
