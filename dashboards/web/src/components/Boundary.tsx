// Catches what breaks while drawing: says so instead of leaving an empty page.
import { Component, type ReactNode } from "react";
import i18next from "i18next";

export class Boundary extends Component<{ children: ReactNode }, { error: Error | null }> {
  override state = { error: null as Error | null };

  static getDerivedStateFromError(error: Error) {
    return { error };
  }

  override render() {
    const { error } = this.state;
    if (!error) return this.props.children;
    return (
      <main className="door" role="alert">
        <h1>{i18next.t("app.broken", { reason: error.message })}</h1>
        <button type="button" className="plain" onClick={() => location.reload()}>
          {i18next.t("app.retry")}
        </button>
      </main>
    );
  }
}
