// Single keys that lead somewhere. Whoever speaks to the computer presses them unawares, so that they
// can be switched off.

import { Kept } from "./kept.js";

/** A screen, and what has the focus there: its heading if nothing else. */
export interface Destination {
  readonly screen: string;
  readonly focus?: string;
}

const KEYS: Readonly<Record<string, Destination>> = {
  n: { screen: "today", focus: "pulse-quick-add" },
  "/": { screen: "timeline", focus: "#search" },
  "g t": { screen: "today" },
  "g r": { screen: "trends" },
  "g s": { screen: "sync" },
};
const PREFIX = "g";

const kept = new Kept("shortcuts");

export const hasShortcuts = (): boolean => kept.value !== "off";
export const switchShortcuts = (isOn: boolean): void => kept.choose(isOn ? "on" : "off");

/** Calls `lead` when a key, or two of them, means a destination. */
export function onShortcut(lead: (to: Destination) => void): void {
  let before = "";
  addEventListener("keydown", (event) => {
    const key = event.key.toLowerCase();
    if (key === "shift") return;
    const pressed = `${before}${key}`;
    before = "";
    if (!hasShortcuts() || isMeantOtherwise(event)) return;
    if (pressed === PREFIX) before = `${PREFIX} `;
    if (!Object.hasOwn(KEYS, pressed)) return;
    event.preventDefault();
    lead(KEYS[pressed]!);
  });
}

/** Whether a key is for the browser, for what a person types in, or for a dialog over all else. */
function isMeantOtherwise(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing) {
    return true;
  }
  const path = event.composedPath().filter((place) => place instanceof HTMLElement);
  return (
    path.some((place) => place.matches("dialog:modal")) ||
    path.some((place) => place.isContentEditable) ||
    path[0]?.matches("textarea, select, input:not([type=checkbox], [type=radio])") === true
  );
}
