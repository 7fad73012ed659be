// Lines of events; each opens to its raw line and its fields.
import { useState } from "react";
import type { SecurityEvent } from "../api/events";
import { useText } from "../i18n";
import { hostAddress } from "../lib/address";
import { Sheet } from "./Page";
import { SeverityMark } from "./StateMark";

export function EventTable({ events }: { events: SecurityEvent[] }) {
  const { t } = useText();
  return (
    <Sheet label={t("events.title")}>
      <thead>
        <tr>
          <th scope="col">{t("events.time")}</th>
          <th scope="col">{t("events.how_bad")}</th>
          <th scope="col">{t("events.host")}</th>
          <th scope="col">{t("events.class")}</th>
          <th scope="col">{t("events.message")}</th>
        </tr>
      </thead>
      <tbody>
        {events.map((event) => <EventRows key={event.id} event={event} />)}
      </tbody>
    </Sheet>
  );
}

function EventRows({ event }: { event: SecurityEvent }) {
  const { t, word, format } = useText();
  const [open, setOpen] = useState(false);
  const time = format.time(event.time_ms);
  return (
    <>
      <tr>
        <td className="figure">
          <button
            type="button"
            className="plain small"
            aria-expanded={open}
            aria-label={t("events.expand", { time })}
            onClick={() => setOpen(!open)}
          >
            {open ? "−" : "+"}
          </button>{" "}
          {time}
        </td>
        <td><SeverityMark severity={event.severity} /></td>
        <td><a href={hostAddress(event.host)}>{event.host}</a></td>
        <td>{word("class", event.class)}</td>
        <td className="event-line">{event.message}</td>
      </tr>
      {open && (
        <tr>
          <td colSpan={5}>
            <strong>{t("events.raw")}</strong>
            <pre>{event.message}</pre>
            <p className="dim">
              {t("events.source")}: {event.source} · {t("events.received")}: {format.time(event.received_ms)}
            </p>
            <strong>{t("events.fields")}</strong>
            <dl className="facts">
              {Object.entries(event.fields).map(([name, value]) => (
                <div key={name}>
                  <dt>{name}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
          </td>
        </tr>
      )}
    </>
  );
}
