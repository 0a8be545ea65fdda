// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "c395205ae145605ee302144988982235b36ffa4a4b758ab1261bc0ce6e2bc9fd",
  arm64: "4a20bb1f8ef0827be1ec0204b3e59557e59e94691ca2d79caf86e9402402077d"
} as const
