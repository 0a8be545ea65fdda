// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "eefa8c2c40cf3d6fa6c9273e491bf33fb53d4ea3717206b6b9394defdc220ae6",
  arm64: "c619ebcce9f41d2e9a144f8aa2085607ac7093f64debf0cb49f1e7699711f256"
} as const
