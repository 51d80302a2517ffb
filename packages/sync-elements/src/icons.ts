import { html, svg } from "lit";
import type { TemplateResult } from "lit";
import type { StateName } from "./states.js";

const CLOUD = "M7 18a4 4 0 0 1-.5-7.97A6 6 0 0 1 18 9a4.5 4.5 0 0 1-.5 9z";
const CIRCLE = "M12 3.5a8.5 8.5 0 1 1 0 17a8.5 8.5 0 1 1 0-17z";

/** One shape for each state, so that nobody needs to see its colour. */
const SHAPES: Readonly<Record<StateName, string>> = {
  damaged: "M6 6l12 12M18 6L6 18",
  "storage-full": "M3 7h18v10H3zM7 10v4M11 10v4M15 10v4M18 10v4",
  "auth-required": "M8 4a4 4 0 1 1 0 8a4 4 0 1 1 0-8zM11 11l9 9M15.5 15.5L18 13M18.5 18.5L21 16",
  "access-removed": `${CIRCLE}M6 6l12 12`,
  "upgrade-required": "M12 3v12M7 10l5 5 5-5M4 20.5h16",
  failed: "M12 3.5l9.5 16.5h-19zM12 10v4.5M12 17.2v.1",
  conflicts:
    "M6 3v5a4 4 0 0 0 4 4h4a4 4 0 0 0 4-4V3M12 12v9M3.5 5.5L6 3l2.5 2.5M15.5 5.5L18 3l2.5 2.5",
  "storage-low": `${CIRCLE}M12 12V3.5M12 12h8.5`,
  "not-persistent": "M12 3l8 3v6c0 5-3.5 8-8 9-4.5-1-8-4-8-9V6zM12 8v5M12 16v.1",
  "captive-portal":
    "M2.5 10a14 14 0 0 1 19 0M6 14a9 9 0 0 1 7-2.3M13 16h8v5h-8zM15 16v-1.5a2 2 0 0 1 4 0V16",
  "server-unreachable": `${CLOUD}M12 9.5v4M12 15.7v.1`,
  "clock-wrong": "M12 6a7 7 0 1 1 0 14a7 7 0 1 1 0-14zM12 9.5V13l2.5 1.5M3 7l4-4M21 7l-4-4",
  paused: "M8.5 5v14M15.5 5v14",
  offline: `${CLOUD}M3.5 3.5l17 17`,
  "first-sync":
    "M7 15a4 4 0 0 1-.5-7.97A6 6 0 0 1 18 6a4.5 4.5 0 0 1-.5 9M12 10v11M8.5 17.5L12 21l3.5-3.5",
  syncing: "M20 12a8 8 0 0 1-14 5.3M4 12a8 8 0 0 1 14-5.3M18 2.5v4.5h-4.5M6 21.5V17h4.5",
  pending: `${CIRCLE}M12 7v5l3.5 2.5`,
  "open-elsewhere": "M3 3h12v12H3zM9 18.5V21h12V9h-2.5",
  "source-stale": "M6.5 3h11M6.5 21h11M8 3v3.5l8 11V21M16 3v3.5l-8 11V21",
  "update-ready": `${CIRCLE}M12 7.5v8.5M8.5 12.5L12 16l3.5-3.5`,
  synced: `${CIRCLE}M8 12.5l3 3 5.5-6.5`,
  local: "M7 2.5h10v19H7zM11 18.5h2",
  starting: "M5 12v.1M12 12v.1M19 12v.1",
};

/** The icon of a state; whoever listens hears the words beside it. */
export function stateIcon(name: StateName): TemplateResult {
  const shape = svg`<path d=${SHAPES[name]} />`;
  return html`<svg class="icon" data-icon=${name} viewBox="0 0 24 24" aria-hidden="true">
    ${shape}
  </svg>`;
}
