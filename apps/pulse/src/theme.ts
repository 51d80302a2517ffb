// Light, dark, or as the system has it.

import { Kept } from "./kept.js";

export type Theme = "system" | "light" | "dark";
export const THEMES: readonly Theme[] = ["system", "light", "dark"];
const kept = new Kept("theme");

export function chosenTheme(): Theme {
  return THEMES.find((theme) => theme === kept.value) ?? "system";
}

export function chooseTheme(theme: Theme): void {
  kept.choose(theme);
  applyTheme();
}

export function applyTheme(): void {
  document.documentElement.dataset["theme"] = chosenTheme();
}
