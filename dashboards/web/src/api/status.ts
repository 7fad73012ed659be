// `/api/status`: what is wrong with the watching itself, and what to do.
import { call } from "./client";

export type StatusProblem = {
  severity: string;
  what_vi: string;
  what_en: string;
  what_to_do_vi: string;
  what_to_do_en: string;
  link: string | null;
};

export type Status = { problems: StatusProblem[]; ready: boolean };

export const getStatus = () => call<Status>("GET", "/api/status");
