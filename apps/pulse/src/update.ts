// The service worker: it has all files of the app, so that the app starts without a network. A new
// version waits until the person says so; what is typed meanwhile is kept over the reload.

import { registerSW } from "virtual:pwa-register";
import { learn } from "./facts.js";
import { words } from "./strings.js";
import { toast } from "./toast.js";

/** An app that stays open for days asks for a new version as often as this. */
const LOOK_EVERY_MS = 3_600_000;

let activate: ((reload?: boolean) => Promise<void>) | undefined;
let registered: ServiceWorkerRegistration | undefined;

export function keepUpToDate(): void {
  activate = registerSW({
    onNeedRefresh() {
      learn({ updateReady: true });
      toast(words.update.ready, { label: words.update.reload, run: update }, true);
    },
    onRegisteredSW(_, registration) {
      registered = registration;
      setInterval(look, LOOK_EVERY_MS);
      document.addEventListener("visibilitychange", () => {
        if (document.visibilityState === "visible") look();
      });
    },
  });
}

/** Asks whether there is a new version. Without a network there is none to be had. */
function look(): void {
  registered?.update().catch(() => {});
}

/** Has the new version take over, and loads the page again with it. */
export async function update(): Promise<void> {
  if (registered?.waiting) await activate?.(true);
  else location.reload();
}
