// What the app does for the elements that show the sync: it has the screens.

import type { FailedOperation } from "@clarity/sync";
import type { Action } from "@clarity/sync-elements";
import { useHere } from "./elsewhere.js";
import { install } from "./installing.js";
import { go } from "./router.js";
import { update } from "./update.js";
import { attempt } from "./writing.js";

/** What only the app can do about a state: each has a screen. */
const SCREENS: Readonly<Partial<Record<Action, string>>> = {
  "sign-in": "account",
  "manage-storage": "settings",
  "save-copy": "export",
  "export-unsent": "export",
  // Signing in again is offered there as well: what waits is sent then.
  "erase-device": "account",
  "review-conflicts": "conflicts",
  import: "import",
  repair: "repair",
};

/** Is never taken from the app's own files: whoever answers in the server's place answers here too. */
const ASKED_OF_SERVER = "/v1/health";

/** What only the app can do about a state without a screen for it. */
const DEEDS: Readonly<Partial<Record<Action, () => unknown>>> = {
  reload: update,
  "update-app": update,
  "install-app": install,
  "open-portal": () => open(ASKED_OF_SERVER, "_blank", "noopener"),
  "use-here": useHere,
};

/** All that is done here: the elements offer nothing that nobody does. */
export const APP_ACTIONS = [...Object.keys(SCREENS), ...Object.keys(DEEDS)] as readonly Action[];

/** Does what a person wants done about a state; whether it is done somewhere else than there. */
export function act(event: CustomEvent<{ action: Action }>): boolean {
  const { action } = event.detail;
  const [screen, deed] = [SCREENS[action], DEEDS[action]];
  if (screen === undefined && deed === undefined) return false;
  event.preventDefault();
  if (screen !== undefined) go(screen);
  else void attempt(() => deed?.());
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
