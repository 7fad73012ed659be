// A time that a person chooses, in Vietnam's time; its text is turned into milliseconds by `fromInput`.
import { TextInput } from "@mantine/core";

type Props = { label: string; value: string; onChange: (value: string) => void; required?: boolean };

export function WhenInput({ label, value, onChange, required = true }: Props) {
  return (
    <TextInput
      type="datetime-local"
      label={label}
      required={required}
      value={value}
      onChange={(event) => onChange(event.currentTarget.value)}
    />
  );
}
