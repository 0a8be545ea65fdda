// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "b88fad77c5316c4725078cf59a6081a2557ba9318604e02e4b9f3640c9786bca",
  arm64: "e5ef070b771715654990a8ac559f61ef9c5c347749bf97efb80a42e772d397e6"
} as const
