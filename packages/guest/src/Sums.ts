// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "002c2bb96ab1d8214873e19b56a7fbc43a64681be2bf1d24d5b37fdcd3197134",
  arm64: "d83abb89208a088f93b7fd0fdad67f4d1fff1ded27e793a0b0d3c9d7346e8a0a"
} as const
