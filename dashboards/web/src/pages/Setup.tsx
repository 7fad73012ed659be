// The first user: the code comes with the address that the collector prints.
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { setUp } from "../api/setup";
import { Refused } from "../components/Answer";
import { Door } from "../components/Door";
import { useText } from "../i18n";
import { useHashQuery } from "../lib/address";

const PASSWORD_LENGTH_MIN = 10;

export default function Setup() {
  const { t } = useText();
  const client = useQueryClient();
  const [code, setCode] = useState(useHashQuery().get("code") ?? "");
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const [repeated, setRepeated] = useState("");
  const creating = useMutation({
    mutationFn: () => setUp(code.trim(), name.trim(), password),
    onSuccess: (session) => {
      // The code must not stay in the address and the history.
      history.replaceState(null, "", "#/");
      dispatchEvent(new HashChangeEvent("hashchange"));
      client.setQueryData(["session"], session);
    },
  });
  const differ = repeated !== "" && repeated !== password;
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!differ) creating.mutate();
  };
  return (
    <Door title={t("setup.title")}>
      <p>{t("setup.intro")}</p>
      <form onSubmit={submit} className="stack">
        <TextInput
          label={t("setup.code")}
          required
          autoComplete="off"
          value={code}
          onChange={(event) => setCode(event.currentTarget.value)}
        />
        <TextInput
          label={t("sign.name")}
          required
          autoComplete="username"
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("sign.password")}
          description={t("setup.password_hint")}
          required
          minLength={PASSWORD_LENGTH_MIN}
          autoComplete="new-password"
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("setup.repeat")}
          required
          autoComplete="new-password"
          value={repeated}
          error={differ ? t("setup.differ") : undefined}
          onChange={(event) => setRepeated(event.currentTarget.value)}
        />
        <Refused error={creating.error} />
        <Button type="submit" loading={creating.isPending}>
          {t("setup.create")}
        </Button>
      </form>
    </Door>
  );
}
