/** The home of each user of a sandbox, as its /etc/passwd says. */
export const homes = { root: "/root", user: "/home/user" } as const

/** Users that programs in a sandbox can run as. */
export type GuestUser = keyof typeof homes

/**
 * How many kernel uids stand behind those users. Where the host is root: two, which nothing else on the machine has.
 * Otherwise one, the host's own, and the sandbox has no root.
 */
export type KernelUids = "two" | "one"
