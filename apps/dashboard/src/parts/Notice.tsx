import type { ComponentChildren } from "preact"

/** Something that went wrong. It is read out at once. */
export const Failure = ({ message }: { readonly message: string | undefined }) =>
  message === undefined ? null : (
    <p class="notice bad" role="alert">
      {message}
    </p>
  )

/** What became of an action, for screen readers too. Its place is there before it has words. */
export const Status = ({ children }: { readonly children: ComponentChildren }) => (
  <p class="status" role="status">
    {children}
  </p>
)

export const Empty = ({ children }: { readonly children: ComponentChildren }) => (
  <p class="empty">{children}</p>
)
