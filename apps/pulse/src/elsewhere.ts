// Browsers that cannot share the store between tabs: one tab has it, and another one may ask for it.

/** Tabs of one origin hear of what another one writes here. */
const KEY = "pulse.use-here";

/** Opens the app in this tab; whichever has the store gives it up. */
export function useHere(): void {
  try {
    localStorage.setItem(KEY, crypto.randomUUID());
  } catch {
    // A browser that keeps nothing cannot tell the other tab: it must be closed by hand.
  }
  location.reload();
}

/** Calls this when another tab asks for the store. */
export function onUsedElsewhere(giveUp: () => void): void {
  addEventListener("storage", ({ key }) => {
    if (key === KEY) giveUp();
  });
}
