// The page's address after `#`: `/hosts/dc1-srv01`, `/events?host=dc1-srv01`.
import { useSyncExternalStore } from "react";
import { navigate } from "wouter/use-hash-location";

const subscribe = (listener: () => void) => {
  addEventListener("hashchange", listener);
  return () => removeEventListener("hashchange", listener);
};

const current = () => `/${location.hash.replace(/^#?\/?/, "")}`;

/** For wouter: the path without what follows `?`. */
export const useHashPath = (): [string, typeof navigate] => {
  const address = useSyncExternalStore(subscribe, current);
  return [address.split("?")[0] || "/", navigate];
};

/** What follows `?`. */
export const useHashQuery = (): URLSearchParams => {
  const address = useSyncExternalStore(subscribe, current);
  return new URLSearchParams(address.split("?")[1] ?? "");
};

export const hostAddress = (id: string) => `#/hosts/${encodeURIComponent(id)}`;
