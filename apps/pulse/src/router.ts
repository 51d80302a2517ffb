// Which screen the address names. Each has one, so that links, reloads and "back" work.

export interface Route {
  readonly screen: string;
  readonly params: readonly string[];
}

export const HOME = "today";

export function currentRoute(): Route {
  return routeOf(location.hash);
}

/** The screen of an address. One that cannot be read names no screen that there is. */
export function routeOf(hash: string): Route {
  const [screen = "", ...params] = hash.replace(/^#\/?/, "").split("/").map(decoded);
  return { screen: screen || HOME, params };
}

/** Screens that show one thing, which the rest of the address names. */
const OF_ONE: readonly string[] = ["conflicts", "entry", "fix"];

/** The screen and the thing that it shows, without what is chosen on it. */
export function placeOf({ screen, params }: Route): string {
  return OF_ONE.includes(screen) ? link(screen, ...params) : link(screen);
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

export function link(screen: string, ...params: readonly string[]): string {
  return `#/${[screen, ...params].map(encodeURIComponent).join("/")}`;
}

export function go(screen: string, ...params: readonly string[]): void {
  location.hash = link(screen, ...params);
}

/** Shows another screen in the place of this one: "back" does not return to it. */
export function replace(screen: string, ...params: readonly string[]): void {
  history.replaceState(null, "", link(screen, ...params));
  dispatchEvent(new HashChangeEvent("hashchange"));
}
