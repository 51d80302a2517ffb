// Installing the app: some browsers hand the page a way to ask for it, others have it in their menu.

import { words } from "./strings.js";
import { toast } from "./toast.js";

/** What a browser hands out when the app can be installed. */
interface Offer extends Event {
  prompt(): Promise<unknown>;
}

let offer: Offer | undefined;

/** Keeps the browser's offer until the person asks for it. */
export function awaitOffer(): void {
  addEventListener("beforeinstallprompt", (event) => {
    event.preventDefault();
    offer = event as Offer;
  });
}

/** Has the browser ask whether to install the app, or says where the person finds it. */
export async function install(): Promise<void> {
  const offered = offer;
  // A browser takes each offer once.
  offer = undefined;
  if (offered) await offered.prompt();
  else toast(wayToInstall(), undefined, true);
}

function wayToInstall(): string {
  if (matchMedia("(display-mode: standalone)").matches) return words.install.done;
  return /iPhone|iPad/.test(navigator.userAgent) ? words.install.ios : words.install.menu;
}
