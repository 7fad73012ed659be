// What the one who is signed in may do; what they may not, a page does not offer.
import { useQuery } from "@tanstack/react-query";
import type { Action, Session } from "../api/session";

export function useUser() {
  const session = useQuery<Session>({ queryKey: ["session"] });
  return session.data?.user ?? null;
}

export function useMay(): (action: Action) => boolean {
  const user = useUser();
  return (action) => user?.may.includes(action) ?? false;
}
