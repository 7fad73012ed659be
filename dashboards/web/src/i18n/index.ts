// The two languages: Vietnamese first, English for everybody else. Remembered in this browser.
import i18next from "i18next";
import { initReactI18next, useTranslation } from "react-i18next";
import { formatsOf, type Language } from "../lib/format";
import { recall, remember } from "../lib/remember";
import { en } from "./en";
import { vi, type Key } from "./vi";

export type { Key };

const stored = recall("language");

void i18next.use(initReactI18next).init({
  lng: stored === "en" ? "en" : "vi",
  fallbackLng: "vi",
  keySeparator: false,
  nsSeparator: false,
  interpolation: { escapeValue: false },
  resources: { vi: { translation: vi }, en: { translation: en } },
});
document.documentElement.lang = i18next.language;

export function setLanguage(language: Language): void {
  remember("language", language);
  document.documentElement.lang = language;
  void i18next.changeLanguage(language);
}

export type Values = Record<string, string | number>;

/** Texts and figures in the reader's language. */
export function useText() {
  const { i18n } = useTranslation();
  const language: Language = i18n.language === "en" ? "en" : "vi";
  const t = (key: Key, values: Values = {}): string => i18n.t(key as string, values) as string;
  return {
    language,
    t,
    /** A word of the API in the reader's language; what no dictionary knows is shown as it is. */
    word: (group: string, name: string): string =>
      i18n.exists(`${group}.${name}`) ? t(`${group}.${name}` as Key) : name,
    /** The text of the reader's language out of a pair of the API. */
    pick: (inVietnamese: string | null | undefined, inEnglish: string | null | undefined): string =>
      (language === "vi" ? inVietnamese || inEnglish : inEnglish || inVietnamese) || "",
    format: formatsOf(language),
  };
}
