// Which screen the address names. Each has one, so that links, reloads and "back" work.

export interface Route {
  readonly screen: string;
  readonly params: readonly string[];
}

export const HOME = "today";

export function currentRoute(): Route {
  const parts = location.hash.replace(/^#\/?/, "").split("/").map(decodeURIComponent);
  const [screen = "", ...params] = parts;
  return { screen: screen || HOME, params };
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
