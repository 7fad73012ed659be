// Small choices kept in this browser. A browser that keeps nothing is no error: the choice then lasts for this page.
const PREFIX = "haidang-";

export function recall(name: string): string | null {
  try {
    return localStorage.getItem(PREFIX + name);
  } catch {
    return null;
  }
}

export function remember(name: string, value: string): void {
  try {
    localStorage.setItem(PREFIX + name, value);
  } catch {
    // Private windows refuse to store; nothing is lost but the choice.
  }
}
