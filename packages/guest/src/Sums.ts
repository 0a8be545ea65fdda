// Made by `npm run guest`.

/** The SHA-256 of each of the guest's binaries. */
export const sums = {
  x64: "3a5dc9879ba27826630559722da077c42552c3cda17686f1c9494944245f4dfd",
  arm64: "5e0ffaea491754efbef349b3b9e83213ed7477922951c71034fabc878edd4728"
} as const
