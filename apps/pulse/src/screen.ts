// What all screens share.

import { LitElement } from "lit";
import type { CSSResultGroup } from "lit";
import { ui } from "./ui.js";

/** What has the focus, however deep it is inside components. */
function deepestFocus(): Element | null {
  let focused = document.activeElement;
  while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
  return focused;
}

export abstract class Screen extends LitElement {
  static override styles: CSSResultGroup = ui;
  static override properties = { params: { attribute: false } };
  /** What the address says after the name of the screen. */
  declare params: readonly string[];

  /** Where the focus was when it was to go to something that was not there yet. */
  #awaited: { readonly from: Element | null; readonly to: string } | undefined;

  constructor() {
    super();
    this.params = [];
    this.addController({ hostUpdated: () => this.#focusAwaited() });
  }

  /** Has a reader begin at the heading, as soon as there is one. */
  focusHeading(): void {
    this.focusOn("h1");
  }

  /** Gives this the focus, as soon as it is there. */
  focusOn(selector: string): void {
    this.#awaited = { from: deepestFocus(), to: selector };
    this.requestUpdate();
  }

  #focusAwaited(): void {
    if (!this.#awaited) return;
    const { from, to } = this.#awaited;
    const place = this.renderRoot.querySelector<HTMLElement>(to);
    if (!place) return;
    this.#awaited = undefined;
    // Whoever has gone on meanwhile is left where they are.
    const now = deepestFocus();
    if (now === from || now === document.body) place.focus({ preventScroll: to === "h1" });
  }
}
