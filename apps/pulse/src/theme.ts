// Light, dark, or as the system has it. It belongs to this browser and not to the person's data.

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const KEY = "pulse.theme";
/** The choice since the page was opened: a browser may be told to keep nothing. */
let chosen: string | null = null;

export function chosenTheme(): Theme {
  const kept = chosen ?? unlessBlocked(() => localStorage.getItem(KEY));
  return THEMES.find((theme) => theme === kept) ?? "system";
}

export function chooseTheme(theme: Theme): void {
  chosen = theme;
  unlessBlocked(() => localStorage.setItem(KEY, theme));
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = chosenTheme();
}

/** What a browser that blocks its storage answers with an error: the look is not worth more. */
function unlessBlocked<T>(run: () => T): T | null {
  try {
    return run();
  } catch {
    return null;
  }
}
