// The frame of a page: its one heading, the title of the window, and sections with headings of their own.
import { useEffect, useId, type ReactNode } from "react";
import { useText } from "../i18n";

export function Page({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const { t } = useText();
  useEffect(() => {
    document.title = `${title} – ${t("app.name")}`;
  });
  return (
    <>
      <div className="page-head">
        <h1>{title}</h1>
        {aside}
      </div>
      {children}
    </>
  );
}

export function Section({ title, aside, children }: { title: string; aside?: ReactNode; children: ReactNode }) {
  const id = useId();
  return (
    <section aria-labelledby={id} className="section">
      <div className="section-head">
        <h2 id={id}>{title}</h2>
        {aside}
      </div>
      {children}
    </section>
  );
}

/** A table that may be wider than the screen; the keyboard can scroll it. */
export function Sheet({ label, children }: { label: string; children: ReactNode }) {
  return (
    <div className="sheet" role="group" aria-label={label} tabIndex={0}>
      <table>{children}</table>
    </div>
  );
}
