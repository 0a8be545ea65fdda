// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "157f832a397d21f0c2d04fbbde43dca793de61b78fcf01502877924d133581c7",
  arm64: "8afc82db45dfcfdfca801532ced236631e29c319142577f9d6fdb4be6826173b"
} as const
