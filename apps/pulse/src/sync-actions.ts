// What the app does for the elements that show the sync: it has the screens.

import type { FailedOperation } from "@clarity/sync";
import type { Action } from "@clarity/sync-elements";
import { go } from "./router.js";

/** What only the app can do about a state: each has a screen. */
const SCREENS: Readonly<Partial<Record<Action, string>>> = {
  "sign-in": "account",
  "manage-storage": "settings",
  "save-copy": "export",
  "export-unsent": "export",
  // Signing in again is offered there as well: what waits is sent then.
  "erase-device": "account",
  "review-conflicts": "conflicts",
};

/** All that is done here: the elements offer nothing that nobody does. */
export const APP_ACTIONS = [...Object.keys(SCREENS), "reload", "update-app"] as readonly Action[];

/** Does what a person wants done about a state; whether that leads to another screen. */
export function act(event: CustomEvent<{ action: Action }>): boolean {
  const { action } = event.detail;
  if (action === "reload" || action === "update-app") location.reload();
  const screen = SCREENS[action];
  if (screen === undefined) return false;
  event.preventDefault();
  go(screen);
  return true;
}

/** Shows the form of a change that was not sent. */
export function fix(event: CustomEvent<{ operation: FailedOperation }>): void {
  event.preventDefault();
  go("fix", String(event.detail.operation.operation));
}

/** Shows a conflict. */
export function openConflict(event: CustomEvent<{ conflict: number }>): void {
  event.preventDefault();
  go("conflicts", String(event.detail.conflict));
}

/** Shows an entry. */
export function openEntity(event: CustomEvent<{ key: { type: string; id: string } }>): void {
  event.preventDefault();
  go("entry", event.detail.key.type, event.detail.key.id);
}
