// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "62709f433e0101db0e0c8900aa8c63be078769df546715100f7ab612cec7143e",
  arm64: "28de12f955477c46f0a6c7268514dbc724dc35b8cd0183c17988a88f52b10120"
} as const
