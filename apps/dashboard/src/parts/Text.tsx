import { visible } from "../text/Visible.js"

/** What a program or a user wrote, which may be anything: as text, apart from what stands beside it. */
export const Text = ({ value, most }: { readonly value: string; readonly most?: number }) => (
  <bdi class="text">{visible(value, most)}</bdi>
)
