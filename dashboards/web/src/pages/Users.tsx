// Users: who may sign in and as what; adding one, a new password or role, shutting one out and letting them in again. For
// administrators.
import { Button, NativeSelect, PasswordInput, TextInput } from "@mantine/core";
import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { useState, type FormEvent } from "react";
import { addUser, disableUser, enableUser, getUsers, ROLES, setPassword, setRole, type Account } from "../api/users";
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
  const [moving, setMoving] = useState<Account | null>(null);
  const onSuccess = () => client.invalidateQueries({ queryKey: ["users"] });
  const disabling = useMutation({ mutationFn: disableUser, onSuccess });
  const enabling = useMutation({ mutationFn: enableUser, onSuccess });
  const disable = (name: string) => {
    if (confirm(t("users.disable_sure", { name }))) disabling.mutate(name);
  };
  return (
    <>
      <Refused error={disabling.error} />
      <Refused error={enabling.error} />
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
                {user.disabled ? (
                  <Button size="xs" variant="default" aria-label={t("users.enable_of", { name: user.name })} onClick={() => enabling.mutate(user.name)}>
                    {t("users.enable")}
                  </Button>
                ) : (
                  <div className="row">
                    <Button size="xs" variant="default" aria-label={t("users.move_of", { name: user.name })} onClick={() => setMoving(user)}>
                      {t("users.move")}
                    </Button>
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
      {moving && <NewRole key={moving.name} user={moving} onDone={() => setMoving(null)} />}
      {renewing && <NewPassword key={renewing} name={renewing} onDone={() => setRenewing(null)} />}
    </>
  );
}

function NewRole({ user, onDone }: { user: Account; onDone: () => void }) {
  const { t } = useText();
  const client = useQueryClient();
  const [wish, setWish] = useState<Wish>({ role: user.role, scope: user.scope ?? "" });
  const changing = useMutation({
    mutationFn: () => setRole(user.name, wish.role, scopeOf(wish)),
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
    <form className="row" onSubmit={submit} aria-label={t("users.move_of", { name: user.name })}>
      <strong>{user.name}</strong>
      <RoleFields wish={wish} onChange={setWish} />
      <Button type="submit" loading={changing.isPending}>{t("users.move")}</Button>
      <Button variant="default" onClick={onDone}>{t("app.cancel")}</Button>
      <Refused error={changing.error} />
    </form>
  );
}

type Wish = { role: string; scope: string };

/** Vendors have one and nobody else. */
const scopeOf = ({ role, scope }: Wish) => (role === "vendor" ? scope.trim() : "");

function RoleFields({ wish, onChange }: { wish: Wish; onChange: (wish: Wish) => void }) {
  const { t, word } = useText();
  return (
    <>
      <NativeSelect
        label={t("users.role")}
        value={wish.role}
        onChange={(event) => onChange({ ...wish, role: event.currentTarget.value })}
        data={ROLES.map((one) => ({ value: one, label: word("role", one) }))}
      />
      {wish.role === "vendor" && (
        <TextInput
          label={t("users.scope")}
          placeholder={'vendor="vnpt"'}
          autoComplete="off"
          required
          value={wish.scope}
          onChange={(event) => onChange({ ...wish, scope: event.currentTarget.value })}
        />
      )}
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
  const { t } = useText();
  const client = useQueryClient();
  const [name, setName] = useState("");
  const [wish, setWish] = useState<Wish>({ role: "viewer", scope: "" });
  const [password, setText] = useState("");
  const adding = useMutation({
    mutationFn: () => addUser(name.trim(), wish.role, scopeOf(wish), password),
    onSuccess: () => {
      setName("");
      setWish({ ...wish, scope: "" });
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
      <RoleFields wish={wish} onChange={setWish} />
      <PasswordInput w={PASSWORD_WIDTH} label={t("sign.password")} autoComplete="new-password" required value={password} onChange={(event) => setText(event.currentTarget.value)} />
      <Button type="submit" loading={adding.isPending}>{t("users.add")}</Button>
      <Refused error={adding.error} />
    </form>
  );
}
