/** What a key means while a conflict is open. */
export type ResolverKey =
  | "local"
  | "server"
  | "both"
  | "edit"
  | "save"
  | "undo"
  | "next"
  | "previous"
  | "help";

const SINGLE: Readonly<Record<string, ResolverKey>> = {
  m: "local",
  s: "server",
  b: "both",
  e: "edit",
  j: "next",
  k: "previous",
  "?": "help",
};

/** What a key means, if anything. Single keys mean nothing where a person types. */
export function keyOf(event: KeyboardEvent, withSingle: boolean): ResolverKey | null {
  const isCommand = event.ctrlKey || event.metaKey;
  const [target] = event.composedPath();
  const isTyping =
    target instanceof HTMLInputElement && target.type !== "radio" && target.type !== "checkbox";
  if (isCommand && event.key === "Enter") return "save";
  if (isCommand && event.key === "z" && !isTyping) return "undo";
  if (event.altKey && event.key === "ArrowDown") return "next";
  if (event.altKey && event.key === "ArrowUp") return "previous";
  if (isCommand || event.altKey || isTyping || !withSingle) return null;
  return SINGLE[event.key.toLowerCase()] ?? null;
}
