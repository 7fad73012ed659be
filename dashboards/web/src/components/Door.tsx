// The frame of the pages before sign-in.
import type { ReactNode } from "react";
import { useText } from "../i18n";
import { Page } from "./Page";
import { Preferences } from "./Preferences";
import { Lighthouse } from "./Shell";

export function Door({ title, children }: { title: string; children: ReactNode }) {
  const { t } = useText();
  return (
    <div className="shell">
      <header className="top">
        <span className="brand">
          <Lighthouse /> {t("app.name")}
        </span>
        <div className="top-end">
          <Preferences />
        </div>
      </header>
      <main className="door">
        <Page title={title}>{children}</Page>
      </main>
    </div>
  );
}
