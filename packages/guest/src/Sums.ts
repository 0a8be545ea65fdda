// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "964bf9a209649cb12d83cef5bc39a34cb6a278570431f948aeed9da2e828ad85",
  arm64: "312e17518a8a93e807d3ca913752624bf42cd2cc220544ef62a6ba9625b8118c"
} as const
