export * as Guest from "./Guest.js"
export * as GuestShell from "./GuestShell.js"
