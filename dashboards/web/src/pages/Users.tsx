// Users: who may sign in and as what; adding one, a new password, shutting one out. For administrators.
import { Button, NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { addUser, disableUser, getUsers, ROLES, setPassword, type Account } from "../api/users";
import { Answer, Refused } from "../components/Answer";
import { Page, Section, Sheet } from "../components/Page";
import { Mark } from "../components/StateMark";
import { useText } from "../i18n";

/** In a row a password field is else as narrow as its eye. */
const PASSWORD_WIDTH = "16rem";

export default function Users() {
  const { t } = useText();
  const users = useQuery({ queryKey: ["users"], queryFn: getUsers });
  return (
    <Page title={t("users.title")} aside={<a href="#/audit">{t("nav.audit")}</a>}>
      <Section title={t("users.all")}>
        <Answer query={users}>{(all) => <Accounts all={all} />}</Answer>
      </Section>
      <Section title={t("users.add")}><AddUser /></Section>
    </Page>
  );
}

function Accounts({ all }: { all: Account[] }) {
  const { t, word, format } = useText();
  const client = useQueryClient();
  const [renewing, setRenewing] = useState<string | null>(null);
  const disabling = useMutation({
    mutationFn: disableUser,
    onSuccess: () => client.invalidateQueries({ queryKey: ["users"] }),
  });
  const disable = (name: string) => {
    if (confirm(t("users.disable_sure", { name }))) disabling.mutate(name);
  };
  return (
    <>
      <Refused error={disabling.error} />
      <Sheet label={t("users.all")}>
        <thead>
          <tr>
            <th scope="col">{t("sign.name")}</th>
            <th scope="col">{t("users.role")}</th>
            <th scope="col">{t("users.state")}</th>
            <th scope="col">{t("users.created")}</th>
            <th scope="col">{t("users.password_changed")}</th>
            <th scope="col">{t("users.actions")}</th>
          </tr>
        </thead>
        <tbody>
          {all.map((user) => (
            <tr key={user.name}>
              <th scope="row">{user.name}</th>
              <td>{word("role", user.role)}{user.scope && <><br /><span className="chip">{user.scope}</span></>}</td>
              <td><Mark tone={user.disabled ? "none" : "good"}>{t(user.disabled ? "users.disabled" : "users.active")}</Mark></td>
              <td className="figure">{format.time(user.created_ms)}</td>
              <td className="figure">{format.time(user.password_changed_ms)}</td>
              <td>
                {!user.disabled && (
                  <div className="row">
                    <Button size="xs" variant="default" aria-label={t("users.renew_of", { name: user.name })} onClick={() => setRenewing(user.name)}>
                      {t("users.renew")}
                    </Button>
                    <Button size="xs" variant="default" aria-label={t("users.disable_of", { name: user.name })} onClick={() => disable(user.name)}>
                      {t("users.disable")}
                    </Button>
                  </div>
                )}
              </td>
            </tr>
          ))}
        </tbody>
      </Sheet>
      {renewing && <NewPassword key={renewing} name={renewing} onDone={() => setRenewing(null)} />}
    </>
  );
}

function NewPassword({ name, onDone }: { name: string; onDone: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const [password, setText] = useState("");
  const changing = useMutation({
    mutationFn: () => setPassword(name, password),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ["users"] });
      onDone();
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    changing.mutate();
  };
  return (
    <form className="row" onSubmit={submit} aria-label={t("users.renew_of", { name })}>
      <PasswordInput
        w={PASSWORD_WIDTH}
        label={t("users.renew_of", { name })}
        description={t("users.renew_explain")}
        autoComplete="new-password"
        required
        value={password}
        onChange={(event) => setText(event.currentTarget.value)}
      />
      <Button type="submit" loading={changing.isPending}>{t("users.renew")}</Button>
      <Button variant="default" onClick={onDone}>{t("app.cancel")}</Button>
      <Refused error={changing.error} />
    </form>
  );
}

function AddUser() {
  const { t, word } = useText();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [role, setRole] = useState<string>("viewer");
  const [scope, setScope] = useState("");
  const [password, setText] = useState("");
  const adding = useMutation({
    mutationFn: () => addUser(name.trim(), role, role === "vendor" ? scope.trim() : "", password),
    onSuccess: () => {
      setName("");
      setScope("");
      setText("");
      void client.invalidateQueries({ queryKey: ["users"] });
    },
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    adding.mutate();
  };
  return (
    <form className="row" onSubmit={submit} aria-label={t("users.add")}>
      <TextInput label={t("sign.name")} autoComplete="off" required value={name} onChange={(event) => setName(event.currentTarget.value)} />
      <NativeSelect
        label={t("users.role")}
        value={role}
        onChange={(event) => setRole(event.currentTarget.value)}
        data={ROLES.map((one) => ({ value: one, label: word("role", one) }))}
      />
      {role === "vendor" && (
        <TextInput label={t("users.scope")} placeholder={'vendor="vnpt"'} autoComplete="off" required value={scope} onChange={(event) => setScope(event.currentTarget.value)} />
      )}
      <PasswordInput w={PASSWORD_WIDTH} label={t("sign.password")} autoComplete="new-password" required value={password} onChange={(event) => setText(event.currentTarget.value)} />
      <Button type="submit" loading={adding.isPending}>{t("users.add")}</Button>
      <Refused error={adding.error} />
    </form>
  );
}
