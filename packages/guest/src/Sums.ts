// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "ed478c3446d5c793c0dd40d8286abd6d43781b79d0d24577bcba8e7a50bbb529",
  arm64: "8a7817d7ac7377fcbe78b0569d6c68d4c55c8fc4dc21c31aeff9969a19688ab4"
} as const
