// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "e5e82938b0c0827587b62ff78e525b26ae61ed8037daeaaaeffbeba147b11aff",
  arm64: "7c4771d34474fd6b26fb19b8a9b3f0650aa9f50334fde3c4c238c40cad77b727"
} as const
