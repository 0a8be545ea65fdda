import type { ComponentChildren } from "preact"

/** What may be wider or longer than its place. Focusable, so that the keyboard can scroll it. */
export const Scroll = ({
  name,
  children
}: {
  readonly name: string
  readonly children: ComponentChildren
}) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: the keyboard could not scroll it otherwise.
  <section class="scroll" aria-label={name} tabIndex={0}>
    {children}
  </section>
)
