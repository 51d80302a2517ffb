// The screens that the navigation leads to.

/** In the bar at the bottom of a phone, before "More". */
export const MAIN = ["today", "trends", "add", "timeline"] as const;
/** Behind "More" on a phone; below the others in the rail of a wide screen. */
export const MORE = ["conflicts", "sync", "account", "import", "export", "settings", "diagnostics"] as const;
