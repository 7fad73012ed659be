// The frame around every page: name, pages, freshness of the data, language, colours, sign-out.
import { useMutation, useQueryClient } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { signOut, VISITOR, type Action, type User } from "../api/session";
import { useText, type Key } from "../i18n";
import { useHashPath } from "../lib/address";
import { Freshness } from "./Freshness";
import { Refused } from "./Answer";
import { Preferences } from "./Preferences";

/** Pages, and what one has to be allowed for them. */
const PAGES: [path: string, text: Key, needed: Action][] = [
  ["/", "nav.overview", "see_all"],
  ["/hosts", "nav.hosts", "see_alerts"],
  ["/alerts", "nav.alerts", "see_alerts"],
  ["/events", "nav.events", "see_all"],
  ["/backups", "nav.backups", "see_all"],
  ["/drills", "nav.drills", "see_all"],
  ["/users", "nav.users", "administer"],
  ["/audit", "nav.audit", "read_audit"],
];

/** Who goes there from another page does not need it here too. */
const isShown = (page: string, needed: Action, user: User) =>
  user.may.includes(needed) && !(page === "/audit" && user.may.includes("administer"));

const isOn = (page: string, path: string) => (page === "/" ? path === "/" : path.startsWith(page));

export function Shell({ user, children }: { user: User; children: ReactNode }) {
  const { t } = useText();
  const [path] = useHashPath();
  const client = useQueryClient();
  const leaving = useMutation({
    mutationFn: signOut,
    onSuccess: () => {
      client.setQueryData(["session"], VISITOR);
      // Nothing that this person saw stays for the next one.
      client.removeQueries({ predicate: (query) => query.queryKey[0] !== "session" });
    },
  });
  const skip = () => document.getElementById("content")?.focus();
  return (
    <div className="shell">
      <button type="button" className="skip" onClick={skip}>
        {t("app.skip")}
      </button>
      <header className="top">
        <a className="brand" href="#/">
          <Lighthouse /> {t("app.name")}
        </a>
        <nav aria-label={t("app.menu")}>
          {PAGES.filter(([page, , needed]) => isShown(page, needed, user)).map(([page, text]) => (
            <a key={page} href={`#${page}`} aria-current={isOn(page, path) ? "page" : undefined}>
              {t(text)}
            </a>
          ))}
        </nav>
        <div className="top-end">
          <Preferences />
          <span className="user">{user.name}</span>
          <button type="button" className="plain" onClick={() => leaving.mutate()}>
            {t("sign.out")}
          </button>
        </div>
      </header>
      <Freshness />
      <main id="content" tabIndex={-1}>
        <Refused error={leaving.error} />
        {children}
      </main>
    </div>
  );
}

export function Lighthouse() {
  return (
    <svg className="lighthouse" viewBox="0 0 24 24" aria-hidden="true">
      <path d="M9 22h6l-1.2-12h-3.6ZM9.5 10V6h5v4M8.5 6 12 2.5 15.5 6ZM7 8 1.5 6.5M7 8l-5.5 2M17 8l5.5-1.5M17 8l5.5 2M9.5 17h5" />
    </svg>
  );
}
