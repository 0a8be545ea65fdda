import { effect, signal } from "@preact/signals"

export const themes = ["system", "light", "dark"] as const
export type Theme = (typeof themes)[number]

const key = "bulkhead-dashboard-theme"
const stored = localStorage.getItem(key)
const prefersDark = matchMedia("(prefers-color-scheme: dark)")

export const theme = signal<Theme>(themes.find((one) => one === stored) ?? "system")

/** What is shown; plots draw their own colours. */
export const isDark = signal(false)

const apply = () => {
  isDark.value = theme.value === "dark" || (theme.value === "system" && prefersDark.matches)
  document.documentElement.dataset.theme = isDark.value ? "dark" : "light"
}

prefersDark.addEventListener("change", apply)
effect(() => {
  localStorage.setItem(key, theme.value)
  apply()
})
