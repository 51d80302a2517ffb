// The pictures beside words. None says anything that the words do not.

import { svg } from "lit";
import type { SVGTemplateResult } from "lit";

const PATHS = {
  today: "M4 11l8-7 8 7v9h-5v-6H9v6H4z",
  trends: "M4 19h16M5 15l4-5 4 3 6-8",
  add: "M12 5v14M5 12h14",
  timeline: "M8 6h12M8 12h12M8 18h12M4 6h.01M4 12h.01M4 18h.01",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  conflicts: "M6 3v5a4 4 0 0 0 4 4h4a4 4 0 0 0 4-4V3M12 12v9M3.5 5.5L6 3l2.5 2.5M15.5 5.5L18 3l2.5 2.5",
  sync: "M4 12a8 8 0 0 1 14-5l2 2M20 4v5h-5M20 12a8 8 0 0 1-14 5l-2-2M4 20v-5h5",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c1-5 15-5 16 0",
  import: "M12 4v11M8 11l4 4 4-4M5 14v6h14v-6",
  export: "M12 15V4M8 8l4-4 4 4M5 14v6h14v-6",
  settings: "M4 7h10M18 7h2M4 17h2M10 17h10M16 5v4M8 15v4",
  diagnostics: "M3 12h4l3-7 4 14 3-7h4",
  back: "M15 5l-7 7 7 7",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3 2",
  check: "M5 12l5 5 9-10",
  offline: "M7 18h10a4 4 0 0 0 1-7.9A6 6 0 0 0 8 8M3 3l18 18M6 10a4 4 0 0 0 1 8",
  note: "M6 3h9l4 4v14H6zM9 11h7M9 15h7",
} as const;

export type Icon = keyof typeof PATHS;

export function icon(name: Icon): SVGTemplateResult {
  return svg`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false"
    fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round"
    stroke-linejoin="round"><path d=${PATHS[name]}></path></svg>`;
}
