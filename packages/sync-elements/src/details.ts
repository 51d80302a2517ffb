import type { Account } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { PropertyValues, TemplateResult } from "lit";
import { stateIcon } from "./icons.js";
import { LiveElement } from "./live.js";
import type { Action } from "./states.js";
import type { StateView } from "./views.js";

const TABS = ["status", "waiting", "problems", "activity", "device"] as const;
/** A part of the details. */
export type Tab = (typeof TABS)[number];

/** What is done here, with no help of the app. */
const OWN_ACTIONS: readonly Action[] = [
  "allow-storage",
  "pause",
  "resume",
  "review-conflicts",
  "review-failed",
  "sync-now",
];

const WIDE = "(min-width: 900px)";

/**
 * Everything about the sync: each state that holds with what can be done, what waits, what is
 * wrong, what happened. A dialog that `show` opens; a part of the page with `inline`.
 *
 * @fires clarity-action With what the person wants done about a state.
 * @fires clarity-close When it is closed.
 * @slot device More about this device and others.
 */
export class ClaritySyncDetails extends LiveElement {
  static override properties = {
    ...LiveElement.properties,
    inline: { type: Boolean },
    tab: { type: String },
    account: { attribute: false },
    appActions: { attribute: false },
  };
  static override styles = [
    LiveElement.styles,
    css`
      dialog {
        color: inherit;
        background: var(--_surface);
        border: 1px solid var(--_line);
        padding: 1rem;
        inline-size: 100%;
        max-inline-size: 100%;
        block-size: 100dvh;
        max-block-size: 100dvh;
        margin: 0;
        overflow: auto;
      }
      dialog::backdrop {
        background: rgb(0 0 0 / 50%);
      }
      @media (min-width: 900px) {
        dialog {
          position: fixed;
          inset-block: 0;
          inset-inline: auto 0;
          inline-size: 28rem;
          z-index: 1;
        }
      }
      .top,
      .state {
        display: flex;
        gap: 0.75rem;
        justify-content: space-between;
        align-items: center;
      }
      .state {
        flex-wrap: wrap;
        justify-content: start;
        align-items: start;
      }
      .state > div {
        flex: 1 1 8rem;
        min-inline-size: 0;
        overflow-wrap: anywhere;
      }
      [role="tablist"] {
        display: flex;
        flex-wrap: wrap;
        gap: 0.25rem;
        border-block-end: 1px solid var(--_edge);
      }
      [role="tab"] {
        border: 0;
        border-block-end: 3px solid transparent;
        border-radius: 0;
        background: none;
      }
      [role="tab"][aria-selected="true"] {
        border-block-end-color: var(--_accent);
        font-weight: 700;
      }
      .facts > div {
        display: flex;
        flex-wrap: wrap;
        gap: 0 0.75rem;
        justify-content: space-between;
        padding-block: 0.25rem;
        overflow-wrap: anywhere;
      }
      .policy {
        display: flex;
        gap: 0.5rem;
        align-items: center;
        min-block-size: 44px;
      }
      input {
        inline-size: 1.25rem;
        block-size: 1.25rem;
        accent-color: var(--_accent);
        flex: none;
      }
    `,
  ];

  /** Whether it is a part of the page, and always open. */
  inline = false;
  /** Which part is shown. */
  tab: Tab = "status";
  /** Whom the store belongs to, without a store. */
  account: Account | null = null;
  /** What the app does when `clarity-action` says so. No button is shown for what nobody does. */
  appActions: readonly Action[] = [];
  #from: Element | null = null;

  /** Opens it: over everything on a small screen, beside the page on a large one. */
  show(tab: Tab = "status"): void {
    this.tab = tab;
    const dialog = this.renderRoot.querySelector("dialog");
    if (dialog === null || dialog.open) return;
    this.#from = deepestFocus();
    if (matchMedia(WIDE).matches) dialog.show();
    else dialog.showModal();
    this.renderRoot.querySelector("h2")?.focus();
  }

  /** Closes it; the focus goes back to where it was. */
  close(): void {
    this.renderRoot.querySelector("dialog")?.close();
  }

  #closed(): void {
    if (this.#from instanceof HTMLElement) this.#from.focus();
    this.#from = null;
    this.tell("clarity-close");
  }

  protected override watchAll(signal: AbortSignal): void {
    super.watchAll(signal);
    if (this.sync === undefined) return;
    this.follow(this.sync.watchAccount({ signal }), signal, (account) => {
      this.account = account;
    });
  }

  override updated(changed: PropertyValues): void {
    super.updated(changed);
    const hadTab = changed.get("tab") !== undefined;
    const tab = this.renderRoot.querySelector<HTMLElement>('[aria-selected="true"]');
    // The arrows moved the focus's tab away under it.
    if (hadTab && this.shadowRoot?.activeElement?.getAttribute("role") === "tab") tab?.focus();
  }

  override render(): TemplateResult {
    if (this.inline) return html`<section class="stack card">${this.#content()}</section>`;
    const onKey = (event: KeyboardEvent): void => {
      // A dialog that is not modal does not do so by itself.
      if (event.key === "Escape") this.close();
    };
    return html`<dialog aria-labelledby="title" @keydown=${onKey} @close=${() => this.#closed()}>
      <div class="stack">${this.#content()}</div>
    </dialog>`;
  }

  #content(): TemplateResult {
    const { words } = this;
    return html`
      <div class=${this.inline ? "unseen" : "top"}>
        <h2 id="title" tabindex="-1">${words.text("details.title")}</h2>
        ${this.inline
          ? nothing
          : html`<button @click=${() => this.close()}>${words.text("details.close")}</button>`}
      </div>
      <div role="tablist" aria-labelledby="title" @keydown=${this.#onTabKey}>
        ${TABS.map((tab) => this.#tabButton(tab))}
      </div>
      <div id="panel" role="tabpanel" aria-labelledby="tab-${this.tab}" class="stack">
        ${this.#panel()}
      </div>
      ${this.problem === null
        ? nothing
        : html`<p class="problem" role="alert">${this.problem}</p>`}
    `;
  }

  #tabButton(tab: Tab): TemplateResult {
    const { words, status } = this;
    const counts: Partial<Record<Tab, number>> = {
      waiting: status?.waiting ?? 0,
      problems: (status?.failed ?? 0) + (status?.conflicts ?? 0),
    };
    const count = counts[tab] ?? 0;
    const isShown = this.tab === tab;
    return html`<button
      id="tab-${tab}"
      role="tab"
      aria-selected=${isShown}
      aria-controls="panel"
      tabindex=${isShown ? 0 : -1}
      @click=${() => (this.tab = tab)}
    >
      ${words.text(`details.${tab}`)}
      ${count === 0 ? nothing : words.text("details.count", { count })}
    </button>`;
  }

  #onTabKey(event: KeyboardEvent): void {
    const isRightToLeft = getComputedStyle(this).direction === "rtl";
    const forward = isRightToLeft ? "ArrowLeft" : "ArrowRight";
    const backward = isRightToLeft ? "ArrowRight" : "ArrowLeft";
    const at = TABS.indexOf(this.tab);
    const targets: Record<string, number> = {
      [forward]: (at + 1) % TABS.length,
      [backward]: (at + TABS.length - 1) % TABS.length,
      Home: 0,
      End: TABS.length - 1,
    };
    const tab = TABS[targets[event.key] ?? -1];
    if (tab === undefined) return;
    event.preventDefault();
    this.tab = tab;
  }

  #panel(): TemplateResult {
    const { sync, now } = this;
    switch (this.tab) {
      case "status":
        return this.#statusPanel();
      case "waiting":
        return html`<clarity-waiting-changes .sync=${sync} .now=${now}></clarity-waiting-changes>`;
      case "problems":
        return html`<clarity-failed-operations
            .sync=${sync}
            .now=${now}
          ></clarity-failed-operations>
          <clarity-conflict-inbox .sync=${sync} .now=${now}></clarity-conflict-inbox>`;
      case "activity":
        return html`<clarity-activity .sync=${sync} .now=${now}></clarity-activity>`;
      case "device":
        return this.#devicePanel();
    }
  }

  #statusPanel(): TemplateResult {
    const { status, words, sync } = this;
    const toggle = (event: Event): void => {
      const isOn = (event.target as HTMLInputElement).checked;
      void this.attempt(async () => sync?.setNetworkPolicy(isOn ? "unmetered_only" : "any"));
    };
    return html`
      <ul class="stack">
        ${this.view.all.map((state) => this.#state(state))}
      </ul>
      ${sync === undefined
        ? nothing
        : html`<clarity-sync-progress .sync=${sync}></clarity-sync-progress>`}
      ${status === null
        ? nothing
        : html`<dl class="facts small">
              ${this.#time("details.last", status.last_success)}
              ${this.#time("details.pulled", status.last_pull)}
              ${status.last_error === null
                ? nothing
                : html`<div>
                    <dt class="soft">${words.text("details.error")}</dt>
                    <dd>
                      ${this.names.message(status.last_error)}
                      ${status.last_error_at === null
                        ? nothing
                        : html`· ${words.ago(status.last_error_at, this.time)}`}
                    </dd>
                  </div>`}
            </dl>
            <label class="policy">
              <input
                type="checkbox"
                .checked=${status.network.policy === "unmetered_only"}
                @change=${toggle}
              />
              ${words.text("details.policy")}
            </label>`}
    `;
  }

  #time(key: "details.last" | "details.pulled", at: number | null): TemplateResult {
    const { words } = this;
    return html`<div>
      <dt class="soft">${words.text(key)}</dt>
      <dd>
        ${at === null
          ? words.text("details.never")
          : html`<time datetime=${new Date(at).toISOString()} title=${words.dateTime(at)}
              >${words.ago(at, this.time)}</time
            >`}
      </dd>
    </div>`;
  }

  #state(state: StateView): TemplateResult {
    const { words, appActions } = this;
    const actions = state.actions.filter((action) => {
      return OWN_ACTIONS.includes(action) || appActions.includes(action);
    });
    return html`<li class="card state" data-state=${state.name}>
      <span class=${state.tone}>${stateIcon(state.name)}</span>
      <div class="stack">
        <div>
          <h3><bdi>${state.headline}</bdi></h3>
          <p class="soft"><bdi>${state.body}</bdi></p>
        </div>
        ${actions.length === 0
          ? nothing
          : html`<div class="row">
              ${actions.map(
                (action, index) =>
                  html`<button
                    class=${index === 0 && state.part !== "flow" ? "main" : ""}
                    @click=${() => this.#do(action)}
                  >
                    ${words.text(`action.${action}`)}
                  </button>`,
              )}
            </div>`}
      </div>
    </li>`;
  }

  #do(action: Action): void {
    if (action === "review-failed" || action === "review-conflicts") this.tab = "problems";
    void this.act(action);
  }

  #devicePanel(): TemplateResult {
    const { account, words } = this;
    const pair = (key: "account" | "server" | "id", value: string | null): TemplateResult =>
      html`<div>
        <dt class="soft">${words.text(`details.${key}`)}</dt>
        <dd>${value ?? words.text("value.none")}</dd>
      </div>`;
    return html`
      ${account === null
        ? html`<p class="soft">${words.text("details.nobody")}</p>`
        : html`<dl class="facts">
            ${pair("account", account.name)} ${pair("server", account.server)}
            ${pair("id", account.device_id)}
          </dl>`}
      <slot name="device"></slot>
    `;
  }
}

function deepestFocus(): Element | null {
  let focused = document.activeElement;
  while (focused?.shadowRoot?.activeElement) focused = focused.shadowRoot.activeElement;
  return focused;
}
