// Sign-in. Says where to go when nobody has been set up yet.
import { Button, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { ApiError } from "../api/client";
import { signIn } from "../api/session";
import { Refused } from "../components/Answer";
import { Door } from "../components/Door";
import { Mark } from "../components/StateMark";
import { useText } from "../i18n";

export default function SignIn({ setup }: { setup: boolean }) {
  const { t } = useText();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [password, setPassword] = useState("");
  const entering = useMutation({
    mutationFn: () => signIn(name, password),
    onSuccess: (session) => client.setQueryData(["session"], session),
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    entering.mutate();
  };
  const status = entering.error instanceof ApiError ? entering.error.status : null;
  const known = status === 401 ? "sign.wrong" : status === 429 ? "sign.too_many" : null;
  return (
    <Door title={t("sign.title")}>
      {setup && (
        <p>
          {t("sign.setup_first")} <a href="#/setup">{t("sign.to_setup")}</a>
        </p>
      )}
      <form onSubmit={submit} className="stack">
        <TextInput
          label={t("sign.name")}
          autoComplete="username"
          required
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
        />
        <PasswordInput
          label={t("sign.password")}
          autoComplete="current-password"
          required
          value={password}
          onChange={(event) => setPassword(event.currentTarget.value)}
        />
        {known ? (
          <p role="alert">
            <Mark tone="bad">{t(known)}</Mark>
          </p>
        ) : (
          <Refused error={entering.error} />
        )}
        <Button type="submit" loading={entering.isPending}>
          {t("sign.in")}
        </Button>
      </form>
    </Door>
  );
}
