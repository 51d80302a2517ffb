// What this device is called until the person says otherwise.

const BROWSERS = [
  ["Edg/", "Edge"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = ["iPhone", "iPad", "Android", "Windows", "Macintosh", "Linux"] as const;

export function deviceName(): string {
  const agent = navigator.userAgent;
  const browser = BROWSERS.find(([mark]) => agent.includes(mark))?.[1] ?? "Browser";
  const system = SYSTEMS.find((name) => agent.includes(name));
  return system ? `${browser} on ${system === "Macintosh" ? "Mac" : system}` : browser;
}
