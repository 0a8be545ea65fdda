import { GuestShell } from "@bulkhead/guest"

/** Exit codes of the lines below that are not those of a listing. */
export const exitCodes = {
  /** The image lacks the guest program: it can be sent along. */
  notInstalled: 5,
  /** The program cannot be executed, and there is something. */
  notLooked: 3,
  /** The program cannot be executed, and there is nothing. */
  nothing: 4
} as const

/** Lists with the program in the sandbox's image; where there is none it says what machine it is. */
export const installed: string = [
  GuestShell.becomeInstalled("list"),
  GuestShell.machine,
  `exit ${exitCodes.notInstalled}`
].join("\n")

/** Lists with a program that is sent along. Without one it can be told whether there is anything, and no more. */
export const sent: string = [
  `${GuestShell.unpackIn("/tmp")} && "$f" check && exec "$f" list sent`,
  'd=$(getent passwd "$(id -u)" | cut -d: -f6)/$BULKHEAD_OUTPUT',
  `if [ -L "$d" ] || [ -n "$(ls -A -U -- "$d" 2>/dev/null | head -c 1)" ]; then exit ${exitCodes.notLooked}; fi`,
  `exit ${exitCodes.nothing}`
].join("\n")
