// Which component shows which screen.

import { html } from "lit";
import type { TemplateResult } from "lit";
import { link } from "./router.js";
import type { Route } from "./router.js";
import { words } from "./strings.js";
import "./screens/account.js";
import "./screens/add.js";
import "./screens/conflict.js";
import "./screens/conflicts.js";
import "./screens/diagnostics.js";
import "./screens/entry.js";
import "./screens/export.js";
import "./screens/fix.js";
import "./screens/import.js";
import "./screens/more.js";
import "./screens/repair.js";
import "./screens/settings.js";
import "./screens/sync.js";
import "./screens/timeline.js";
import "./screens/today.js";
import "./screens/trends.js";

type Show = (params: readonly string[]) => TemplateResult;

const SCREENS: Readonly<Record<string, Show>> = {
  today: (params) => html`<pulse-today .params=${params}></pulse-today>`,
  trends: (params) => html`<pulse-trends .params=${params}></pulse-trends>`,
  add: (params) => html`<pulse-add .params=${params}></pulse-add>`,
  timeline: (params) => html`<pulse-timeline .params=${params}></pulse-timeline>`,
  entry: (params) => html`<pulse-entry .params=${params}></pulse-entry>`,
  more: (params) => html`<pulse-more .params=${params}></pulse-more>`,
  account: (params) => html`<pulse-account .params=${params}></pulse-account>`,
  conflicts: (params) => params.length > 0
    ? html`<pulse-conflict .params=${params}></pulse-conflict>`
    : html`<pulse-conflicts .params=${params}></pulse-conflicts>`,
  sync: (params) => html`<pulse-sync .params=${params}></pulse-sync>`,
  export: (params) => html`<pulse-export .params=${params}></pulse-export>`,
  fix: (params) => html`<pulse-fix .params=${params}></pulse-fix>`,
  import: (params) => html`<pulse-import .params=${params}></pulse-import>`,
  repair: (params) => html`<pulse-repair .params=${params}></pulse-repair>`,
  settings: (params) => html`<pulse-settings .params=${params}></pulse-settings>`,
  diagnostics: (params) => html`<pulse-diagnostics .params=${params}></pulse-diagnostics>`,
};

export function screenOf({ screen, params }: Route): TemplateResult {
  const show = Object.hasOwn(SCREENS, screen) ? SCREENS[screen] : undefined;
  if (show) return show(params);
  return html`<h1 tabindex="-1">${words.notFound}</h1>
    <p>${words.notFoundBody}</p>
    <p><a class="button" href=${link("today")}>${words.nav.today}</a></p>`;
}
