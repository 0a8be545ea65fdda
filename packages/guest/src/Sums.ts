// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "49f41731b8bac4a99a032e87734c94a4fa04f08790c16b83030231722e78599b",
  arm64: "2dd332c4ffde9d665dce8dbea4aaaeee950fe6a24eaccc0937ed7e94973c53d1"
} as const
