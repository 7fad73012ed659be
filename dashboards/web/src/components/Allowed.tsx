// What is offered only to who may do it. The collector refuses the others anyway.
import type { ReactNode } from "react";
import type { Action } from "../api/session";
import { useMay } from "../lib/permissions";

export function Allowed({ to, children }: { to: Action; children: ReactNode }) {
  return useMay()(to) ? children : null;
}
