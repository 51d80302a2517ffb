// The frame of the app: the bar with the sync's state, the navigation, and the screen that the
// address names.

import type { Action, ClaritySyncDetails } from "@clarity/sync-elements";
import { SyncError } from "@clarity/sync";
import type { Account } from "@clarity/sync";
import { LitElement, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { wordsOf } from "./failures.js";
import { frame } from "./frame.css.js";
import { icon } from "./icons.js";
import { MAIN, MORE } from "./places.js";
import { dropAllDrafts } from "./drafts.js";
import { onUsedElsewhere, useHere } from "./elsewhere.js";
import { facts, lookAtSources } from "./facts.js";
import { currentRoute, go, link, placeOf } from "./router.js";
import type { Route } from "./router.js";
import { screenOf } from "./screens.js";
import { Screen } from "./screen.js";
import { onShortcut } from "./shortcuts.js";
import type { Destination } from "./shortcuts.js";
import { closeStore, store, whenOpen } from "./store.js";
import { words } from "./strings.js";
import { APP_ACTIONS, act, fix, openConflict, openEntity } from "./sync-actions.js";
import { ui } from "./ui.js";
import { Watch } from "./watch.js";
import { attempt } from "./writing.js";
import "./elements.js";
import "./toasts.js";

class App extends LitElement {
  static override styles = [ui, frame];
  static override properties = {
    route: { state: true },
    state: { state: true },
    error: { state: true },
    hasDetails: { state: true },
  };
  declare private route: Route;
  declare private state: "opening" | "open" | "elsewhere" | "failed";
  /** Why the store is not open. */
  declare private error: unknown;
  /** Whether the details of the sync are open over or beside the screen. */
  declare private hasDetails: boolean;

  /** What has the focus on the next screen, if not its heading. */
  #focusNext: string | undefined;
  readonly #facts = facts.liveIn(this);
  #hadAccount = false;
  readonly #account = new Watch<Account | null>(
    this,
    (sync, options) => sync.watchAccount(options),
    (account) => {
      // Whoever signed out, in whichever tab, leaves nothing that was typed.
      if (this.#hadAccount && account === null) dropAllDrafts();
      this.#hadAccount = account !== null;
    },
  );

  constructor() {
    super();
    this.route = currentRoute();
    this.state = "opening";
    this.hasDetails = false;
    addEventListener("hashchange", () => void this.#navigate());
    onShortcut((to) => this.#lead(to));
    onUsedElsewhere(() => this.#giveUp());
    whenOpen().then(
      () => {
        this.state = "open";
        this.#account.restart();
        void attempt(lookAtSources);
      },
      (error: unknown) => {
        this.error = error;
        this.state = error instanceof SyncError && error.kind === "busy" ? "elsewhere" : "failed";
      },
    );
  }

  /** Another tab asked for a store that cannot be shared. */
  #giveUp(): void {
    if (this.state !== "open" || store().environment.tabs === "shared") return;
    this.state = "elsewhere";
    closeStore();
  }

  async #navigate(): Promise<void> {
    const before = placeOf(this.route);
    this.route = currentRoute();
    await this.updateComplete;
    // A choice within a screen, such as a range of a chart, leaves the person where they are.
    if (placeOf(this.route) === before) return;
    // On a phone the main part scrolls by itself, on a wide screen the page does.
    for (const place of [document.documentElement, this.renderRoot.querySelector("main")]) {
      place?.scrollTo(0, 0);
    }
    this.#focusOn(this.#focusNext);
  }

  #lead({ screen, focus }: Destination): void {
    if (this.state !== "open") return;
    if (this.route.screen === screen) return this.#focusOn(focus);
    this.#focusNext = focus;
    go(screen);
  }

  #focusOn(selector = "h1"): void {
    this.#focusNext = undefined;
    const shown = [...this.renderRoot.querySelectorAll("main > *")].find((each) => each instanceof Screen);
    shown?.focusOn(selector);
  }

  override render(): TemplateResult {
    if (this.state === "failed") return this.#failure();
    if (this.state === "elsewhere") return this.#elsewhere();
    const beside = this.hasDetails ? "beside" : nothing;
    return html`<button class="skip" @click=${this.#toMain}>${words.skip}</button>
      <header class=${beside}>
        <a class="brand" href=${link("today")}>
          <img src="/icon.svg" alt="" width="28" height="28" /><span>${words.app}</span></a>
        ${this.state === "open" ? html`<clarity-sync-status .sync=${store()}
          .facts=${this.#facts.value} @clarity-open-details=${this.#showDetails}></clarity-sync-status>` : nothing}
      </header>
      ${this.#navigation()}
      <main id="main" class=${beside} tabindex="-1">
        ${this.state === "open" ? [this.#notice(), screenOf(this.route)] : this.#opening()}
      </main>
      ${this.hasDetails ? this.#details() : nothing}
      <pulse-toasts class=${beside}></pulse-toasts>`;
  }

  #details(): TemplateResult {
    const close = (): void => this.#shownDetails?.close();
    const choose = (event: CustomEvent<{ action: Action }>): void => {
      if (act(event)) close();
    };
    const leave = <T>(show: (event: CustomEvent<T>) => void) => (event: CustomEvent<T>): void => {
      show(event);
      close();
    };
    return html`<clarity-sync-details .sync=${store()} .facts=${this.#facts.value}
      .appActions=${APP_ACTIONS}
      @clarity-action=${choose} @clarity-open-entity=${leave(openEntity)}
      @clarity-fix=${leave(fix)} @clarity-open-conflict=${leave(openConflict)}
      @clarity-close=${() => (this.hasDetails = false)}>
    </clarity-sync-details>`;
  }

  get #shownDetails(): ClaritySyncDetails | null {
    return this.renderRoot.querySelector("clarity-sync-details");
  }

  readonly #showDetails = async (): Promise<void> => {
    this.hasDetails = true;
    await this.updateComplete;
    await this.#shownDetails?.updateComplete;
    this.#shownDetails?.show();
  };

  override updated(): void {
    const named = words.nav[this.route.screen as keyof typeof words.nav];
    document.title = named ? `${named} · ${words.app}` : words.app;
  }

  #opening(): TemplateResult {
    return html`<p class="muted">${words.opening}</p>`;
  }

  #notice(): TemplateResult | typeof nothing {
    const { notice } = store().environment;
    return notice ? html`<p class="card notice" role="note">${notice}</p>` : nothing;
  }

  #elsewhere(): TemplateResult {
    return html`<main class="alone"><div class="card" role="alert">
      <h1>${words.elsewhere.title}</h1><p>${words.elsewhere.body}</p>
      <button class="primary" @click=${useHere}>${words.elsewhere.use}</button>
    </div></main>`;
  }

  #failure(): TemplateResult {
    if (this.error instanceof SyncError && this.error.kind === "damaged") {
      return html`<main class="alone"><pulse-repair></pulse-repair></main>
        <pulse-toasts></pulse-toasts>`;
    }
    return html`<main class="alone"><div class="card" role="alert">
      <h1>${words.cannotOpen}</h1><p>${wordsOf(this.error)}</p>
      <button class="primary" @click=${() => location.reload()}>${words.reload}</button>
    </div></main>`;
  }

  #navigation(): TemplateResult {
    const { screen } = this.route;
    const isMore = screen === "more" || MORE.some((place) => place === screen);
    const to = (place: (typeof MAIN)[number] | (typeof MORE)[number]): TemplateResult => html`<a
      href=${link(place)} aria-current=${place === screen ? "page" : nothing}>
      ${icon(place)}<span>${words.nav[place]}</span></a>`;
    return html`<nav aria-label=${words.nav.label}>
      ${MAIN.map(to)}
      <a class="narrow" href=${link("more")} aria-current=${isMore ? "page" : nothing}>
        ${icon("more")}<span>${words.nav.more}</span></a>
      <div class="wide">${MORE.map(to)}</div>
    </nav>`;
  }

  readonly #toMain = (): void => {
    this.renderRoot.querySelector<HTMLElement>("main")?.focus();
  };
}

customElements.define("pulse-app", App);
