// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "f2b365e9dc5762dfc3f4be6fea32042aec6c2ebedb333de9b60e688d0e937aa2",
  arm64: "05a133df161914bf495f91a17f2d3efd39b5a7c35907d7ebe228d6610bb4a484"
} as const
