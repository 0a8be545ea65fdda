// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "1fd1f3ed08f10e53fe979cb64212f97d598536589c1f37dd0b7584d051013853",
  arm64: "ffa99df4f6ce31f8ea724fc36c520dde225887243b3dc34cad8f4f7c913fb71a"
} as const
