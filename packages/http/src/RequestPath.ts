/** What is asked for, without the query. */
export const of = (url: string): string => url.replace(/[?#].*$/s, "")
