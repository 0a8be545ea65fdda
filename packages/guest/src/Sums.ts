// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "18ffe1496a47259ef9d2924e975ddf456273c87c04710529ad0e2dd6e9dd7793",
  arm64: "83f7532fb643ba86dd73cf3088aaaa306c804392bebeeb8da278629d29062a51"
} as const
