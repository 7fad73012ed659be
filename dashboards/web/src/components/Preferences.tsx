// Language and light or dark, both remembered in this browser.
import { useComputedColorScheme, useMantineColorScheme } from "@mantine/core";
import { setLanguage, useText } from "../i18n";
import type { Language } from "../lib/format";

const LANGUAGES: [Language, string][] = [
  ["vi", "Tiếng Việt"],
  ["en", "English"],
];

export function Preferences() {
  const { t, language } = useText();
  const { setColorScheme } = useMantineColorScheme();
  const dark = useComputedColorScheme("light") === "dark";
  return (
    <>
      <select
        className="plain"
        aria-label={t("app.language")}
        value={language}
        onChange={(event) => setLanguage(event.currentTarget.value === "en" ? "en" : "vi")}
      >
        {LANGUAGES.map(([value, name]) => (
          <option key={value} value={value} lang={value}>
            {name}
          </option>
        ))}
      </select>
      <button type="button" className="plain" onClick={() => setColorScheme(dark ? "light" : "dark")}>
        {t(dark ? "app.to_light" : "app.to_dark")}
      </button>
    </>
  );
}
