// The one store of the app. Every screen begins after it is open.

import { ClaritySync } from "@clarity/sync";
import { storeName } from "./repairing.js";

let opened: ClaritySync | undefined;
let settle: { resolve: () => void; reject: (error: unknown) => void };
const opening = new Promise<void>((resolve, reject) => {
  settle = { resolve, reject };
});

/** Opens it. */
export async function openStore(): Promise<void> {
  try {
    opened = await ClaritySync.open({ allowMemory: true, store: storeName() });
    settle.resolve();
  } catch (error) {
    settle.reject(error);
  }
}

/** Fulfilled when it is open. */
export function whenOpen(): Promise<void> {
  return opening;
}

/** The store. */
export function store(): ClaritySync {
  if (!opened) throw new Error("the store is not open yet");
  return opened;
}

/** Ends this tab's part of it, so that another tab can have it. */
export function closeStore(): void {
  opened?.close();
}

/** Asks the browser, after something was saved, never to delete it by itself. */
export function keepForGood(): void {
  // Whether it agrees is shown in the settings.
  void store().persist();
}
