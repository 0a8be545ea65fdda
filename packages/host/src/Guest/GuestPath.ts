import * as Path from "node:path"
import { type GuestUser, homes } from "../Isolation/GuestUser.js"

/** A path as envd takes it: relative ones are in the user's home, which `~` stands for too. */
export const absolute = (user: GuestUser, path: string): string => {
  const home = homes[user]
  if (path === "~") return home
  return Path.posix.resolve(home, path.startsWith("~/") ? path.slice(2) : path)
}
