// What all screens share.

import { LitElement } from "lit";
import type { CSSResultGroup } from "lit";
import { ui } from "./ui.js";

export abstract class Screen extends LitElement {
  static override styles: CSSResultGroup = ui;
  static override properties = { params: { attribute: false } };
  /** What the address says after the name of the screen. */
  declare params: readonly string[];

  constructor() {
    super();
    this.params = [];
  }

  /** Has a reader begin at the heading. */
  async focusHeading(): Promise<void> {
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLElement>("h1")?.focus({ preventScroll: true });
  }
}
