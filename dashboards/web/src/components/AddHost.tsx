// Makes a one-time token and shows the command that joins a new host.
import { Button, Modal, TextInput } from "@mantine/core";
import { useMutation } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { createToken } from "../api/tokens";
import { useText } from "../i18n";
import { Refused } from "./Answer";

const LIFETIME_SECONDS = 86_400;

export function AddHost({ opened, onClose }: { opened: boolean; onClose: () => void }) {
  const { t } = useText();
  const [host, setHost] = useState("");
  const [copied, setCopied] = useState(false);
  const making = useMutation({ mutationFn: () => createToken(host.trim() || null, LIFETIME_SECONDS) });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    setCopied(false);
    making.mutate();
  };
  const copy = (command: string) => {
    navigator.clipboard.writeText(command).then(
      () => setCopied(true),
      () => setCopied(false),
    );
  };
  return (
    <Modal opened={opened} onClose={onClose} title={t("hosts.add")} size="lg" closeButtonProps={{ "aria-label": t("app.close") }}>
      <form className="stack" onSubmit={submit}>
        <p>{t("hosts.add_explain")}</p>
        <TextInput label={t("hosts.add_name")} value={host} onChange={(event) => setHost(event.currentTarget.value)} />
        <Refused error={making.error} />
        <Button type="submit" loading={making.isPending}>{t("hosts.add_create")}</Button>
        {making.data && (
          <>
            <pre tabIndex={0}>{making.data.command}</pre>
            <Button variant="default" onClick={() => copy(making.data.command)}>
              {t(copied ? "app.copied" : "app.copy")}
            </Button>
          </>
        )}
      </form>
    </Modal>
  );
}
