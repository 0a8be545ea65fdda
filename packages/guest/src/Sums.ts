// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "b20ea493648e026767c211f6363882f5b5074f295e7ec3ef264a7d150b52825f",
  arm64: "2a949cbb89eb3392ada9f14f56ddc857f0daf2caacce69e730f08aa738dcc72e"
} as const
