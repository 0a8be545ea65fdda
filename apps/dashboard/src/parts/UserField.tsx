import { useState } from "preact/hooks"

/** Whose are shown. What is written counts once it is entered or left, and stays as it is until then. */
export const UserField = ({
  value = "",
  onEnter
}: {
  readonly value: string | undefined
  readonly onEnter: (userId: string) => void
}) => {
  const [written, setWritten] = useState<string>()
  return (
    <label>
      User
      <input
        name="userId"
        type="search"
        value={written ?? value}
        maxLength={128}
        spellcheck={false}
        autocomplete="off"
        onInput={({ currentTarget }) => setWritten(currentTarget.value)}
        onChange={({ currentTarget }) => {
          setWritten(undefined)
          onEnter(currentTarget.value.trim())
        }}
      />
    </label>
  )
}
