// `/api/channels` and what goes with them: whether the ways to people work, tests of them, and what they did not take.
import { call } from "./client";
import type { Notification } from "./notifications";

export type Channel = {
  receiver: string;
  integration: string;
  state: "working" | "failing" | "unused";
  failing_since_ms: number | null;
  last_success_ms: number | null;
  tested_at_ms: number | null;
  last_error: string | null;
  waiting: number;
  limited: number;
  dead: number;
};

export type ChannelTest = { receiver: string; integration: string; delivered: boolean; error: string | null };

export const getChannels = () => call<Channel[]>("GET", "/api/channels");

export const testChannel = ({ receiver, integration }: Pick<Channel, "receiver" | "integration">) =>
  call<ChannelTest[]>("POST", `/api/receivers/${encodeURIComponent(receiver)}/test`, { integration });

export const getDeadLetters = () => call<Notification[]>("GET", "/api/dead-letters");

export const resendLetter = (id: string) => call("POST", `/api/dead-letters/${encodeURIComponent(id)}/resend`, {});

export const dismissLetter = (id: string) => call("POST", `/api/dead-letters/${encodeURIComponent(id)}/dismiss`, {});
