// Where the sync stands, in a word, in the bar of every screen.

import type { Account, Status } from "@clarity/sync";
import { LitElement, css, html } from "lit";
import type { TemplateResult } from "lit";
import { icon } from "./icons.js";
import type { Icon } from "./icons.js";
import { link } from "./router.js";
import { words } from "./strings.js";
import { ui } from "./ui.js";
import { Watch } from "./watch.js";

interface Shown {
  readonly icon: Icon;
  readonly words: string;
  readonly colour: "grey" | "orange" | "yellow" | "green";
}

class SyncChip extends LitElement {
  static override styles = [
    ui,
    css`
      a {
        display: inline-flex; gap: 0.45rem; align-items: center; min-height: 44px;
        padding: 0.3rem 0.9rem; border: 1px solid var(--control-line); border-radius: 999px;
        text-decoration: none; font-weight: 600; font-size: 0.9rem;
      }
      .grey { color: var(--grey); }
      .orange { color: var(--orange); }
      .yellow { color: var(--yellow); }
      .green { color: var(--green); }
    `,
  ];

  readonly #status = new Watch<Status>(this, (sync, options) => sync.watchStatus(options));
  readonly #account = new Watch<Account | null>(this, (sync, options) =>
    sync.watchAccount(options),
  );

  override render(): TemplateResult {
    const shown = this.#shown();
    return html`<a class=${shown.colour} href=${link("account")}
      aria-label=${words.flow.chip(shown.words)}>${icon(shown.icon)}<span>${shown.words}</span></a>`;
  }

  #shown(): Shown {
    const status = this.#status.value;
    if (!status || !this.#account.value) {
      return { icon: "check", words: words.flow.local, colour: "grey" };
    }
    switch (status.flow) {
      case "offline":
        return { icon: "offline", words: words.flow.offline, colour: "grey" };
      case "syncing":
        return { icon: "sync", words: words.flow.syncing, colour: "orange" };
      case "pending":
        return { icon: "clock", words: words.flow.waiting(status.waiting), colour: "yellow" };
      case "synced":
        return { icon: "check", words: words.flow.synced, colour: "green" };
    }
  }
}

customElements.define("pulse-sync-chip", SyncChip);
