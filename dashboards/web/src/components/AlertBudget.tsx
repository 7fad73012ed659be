// This week's alerts against the budget, as a bar for each part; and how many called somebody, or went by themselves.
import { useQuery } from "@tanstack/react-query";
import { getBudget, type BudgetPart } from "../api/history";
import { useText } from "../i18n";
import { Answer } from "./Answer";
import { Meter } from "./Meter";
import { Section } from "./Page";
import { Mark } from "./StateMark";

export function AlertBudget() {
  const { t, format } = useText();
  const budget = useQuery({ queryKey: ["alert_budget"], queryFn: getBudget, refetchInterval: 60_000 });
  return (
    <Section title={t("budget.title")}>
      <Answer query={budget}>
        {(week) => (
          <>
            <p className="dim">{t("budget.week", { from: format.time(week.from_ms), to: format.time(week.to_ms) })}</p>
            <ul className="lines">
              {week.parts.map((part) => (
                <li key={part.name}>
                  <Part part={part} />
                </li>
              ))}
            </ul>
            {week.parts.every((part) => part.per_week === null) && <p className="dim">{t("budget.none")}</p>}
            <p className="dim small">{t("budget.fleeting_is", { duration: format.duration(week.fleeting_within_ms / 1000) })}</p>
          </>
        )}
      </Answer>
    </Section>
  );
}

function Part({ part }: { part: BudgetPart }) {
  const { t, format } = useText();
  const figures = { fired: format.number(part.fired, 0), told: format.number(part.told, 0), fleeting: format.number(part.fleeting, 0) };
  const name = part.name === "all" ? t("budget.all") : part.name;
  if (part.per_week === null) return <p>{name}: {t("budget.figures", figures)}</p>;
  const spent = part.fired > part.per_week;
  return (
    <>
      <p>
        <strong>{name}</strong> {part.matchers && <code className="small">{part.matchers}</code>}{" "}
        <Meter ratio={part.fired / part.per_week} />{" "}
        {spent && <Mark tone="caution">{t("budget.spent")}</Mark>}
      </p>
      <p className="small">{t("budget.of", { per_week: format.number(part.per_week, 0) })} {t("budget.figures", figures)}</p>
    </>
  );
}
