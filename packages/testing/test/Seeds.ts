/** How many histories the tests play, and in which every mutant must be found; `npm run simulate` plays more. */
export const seeds = 300
