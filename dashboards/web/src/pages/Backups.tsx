// Backups: every job in words, and only what is proven is called backed up.
import { TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { getBackups, type Backup } from "../api/backups";
import { Answer } from "../components/Answer";
import { BackupCard } from "../components/BackupCard";
import { useStaleClass } from "../components/Freshness";
import { Page } from "../components/Page";
import { useText } from "../i18n";
import { matches } from "../lib/search";

/** The worst first; what is not known comes before what is good. */
const ORDER = ["failed", "empty", "late", "unknown", "unproven", "ok"];

const byWorst = (one: Backup, other: Backup) =>
  ORDER.indexOf(one.state) - ORDER.indexOf(other.state) ||
  one.host.localeCompare(other.host) ||
  one.backup.localeCompare(other.backup);

export default function Backups() {
  const { t, word } = useText();
  const backups = useQuery({ queryKey: ["backups"], queryFn: getBackups, refetchInterval: 15_000 });
  const [wanted, setWanted] = useState("");
  const stale = useStaleClass();
  return (
    <Page title={t("backups.title")}>
      <TextInput
        className="search"
        type="search"
        label={t("backups.search")}
        value={wanted}
        onChange={(event) => setWanted(event.currentTarget.value)}
      />
      <Answer query={backups}>
        {(all) => {
          if (all.length === 0) return <p className="dim">{t("backups.none")}</p>;
          const found = all.filter((one) => matches(wanted, one.host, one.backup, one.tool, word("backup_state", one.state)));
          return (
            <div className={stale}>
              {found.toSorted(byWorst).map((one) => <BackupCard key={`${one.host} ${one.backup}`} backup={one} />)}
            </div>
          );
        }}
      </Answer>
    </Page>
  );
}
