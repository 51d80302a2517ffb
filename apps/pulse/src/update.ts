// The service worker: it has all files of the app, so that the app starts without a network. A new
// version waits until the person says so, because a form may be open.

import { registerSW } from "virtual:pwa-register";
import { words } from "./strings.js";
import { toast } from "./toast.js";

export function keepUpToDate(): void {
  const update = registerSW({
    onNeedRefresh() {
      toast(words.update.ready, { label: words.update.reload, run: () => update(true) }, true);
    },
  });
}
