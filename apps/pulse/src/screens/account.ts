// Making an account, signing in and out. The store belongs to the account from then on.

import type { Account, Loss, Status } from "@clarity/sync";
import { css, html, nothing } from "lit";
import type { TemplateResult } from "lit";
import { deviceName } from "../device-name.js";
import { sentenceOf, wordsOf } from "../failures.js";
import { removeSetAside } from "../repairing.js";
import { go, link } from "../router.js";
import { Screen } from "../screen.js";
import { store } from "../store.js";
import { words } from "../strings.js";
import { toast } from "../toast.js";
import { ui } from "../ui.js";
import { Watch } from "../watch.js";
import { attempt } from "../writing.js";

class AccountScreen extends Screen {
  static override styles = [
    ui,
    css`
      .card { max-width: 34rem; }
      .modes { display: flex; flex-wrap: wrap; gap: 0 1.5rem; }
    `,
  ];
  static override properties = {
    ...Screen.properties,
    isNew: { state: true },
    working: { state: true },
    error: { state: true },
    loss: { state: true },
  };
  declare private isNew: boolean;
  declare private working: boolean;
  declare private error: string;
  /** What signing out would lose, while it is asked about. */
  declare private loss: Loss | undefined;

  constructor() {
    super();
    this.isNew = true;
    this.working = false;
    this.error = "";
  }

  readonly #account = new Watch<Account | null>(this, (sync, options) => sync.watchAccount(options));
  readonly #status = new Watch<Status>(this, (sync, options) => sync.watchStatus(options));

  override render(): TemplateResult {
    const account = this.#account.value;
    return html`<h1 tabindex="-1">${words.account.title}</h1>
      ${account === undefined
        ? html`<p class="muted">${words.loading}</p>`
        : account?.signed_in && !this.#isRefused
          ? this.#signedIn(account)
          : this.#way(account)}
      ${this.loss ? this.#leaving(this.loss) : nothing}`;
  }

  /** Whether the server does not take what this device signed in with any more. */
  get #isRefused(): boolean {
    const { attention = [] } = this.#status.value ?? {};
    return attention.includes("auth_required") || attention.includes("access_removed");
  }

  #way(account: Account | null): TemplateResult {
    const a = words.account;
    const waiting = this.#status.value?.waiting ?? 0;
    const isNew = this.isNew && !account;
    return html`<div class="card">
      ${account
        ? html`<h2>${a.again}</h2><p>${a.againBody(waiting)}</p>`
        : html`<p>${a.why}</p>${this.#choice()}`}
      <form @submit=${this.#enter}>
        <div class="field"><label for="name">${a.name}</label>
          <input id="name" name="name" required autocomplete="username" autocapitalize="none"
            spellcheck="false" .value=${account?.name ?? ""} ?readonly=${account !== null} /></div>
        <div class="field"><label for="password">${isNew ? a.newPassword : a.password}</label>
          <input id="password" name="password" type="password" required
            autocomplete=${isNew ? "new-password" : "current-password"} /></div>
        <div class="field"><label for="device">${a.device}</label>
          <input id="device" name="device" required .value=${deviceName()} /></div>
        <p class="error" role="alert">${this.error}</p>
        <div class="row">
          <button class="primary" ?disabled=${this.working}>
            ${this.working ? a.working : isNew ? a.signUp : a.signIn}</button>
          ${account
            ? html`<button type="button" @click=${this.#ask}>${a.signOut}</button>`
            : nothing}
        </div>
      </form>
    </div>`;
  }

  #choice(): TemplateResult {
    const option = (isNew: boolean, label: string): TemplateResult => html`<label class="check">
      <input type="radio" name="mode" .checked=${this.isNew === isNew}
        @change=${() => (this.isNew = isNew)} />${label}</label>`;
    return html`<fieldset><legend>${words.account.choice}</legend><div class="modes">
      ${option(true, words.account.haveNot)} ${option(false, words.account.have)}</div></fieldset>`;
  }

  readonly #enter = async (event: SubmitEvent): Promise<void> => {
    event.preventDefault();
    const data = new FormData(event.target as HTMLFormElement);
    const [name, password, device] = ["name", "password", "device"].map((field) =>
      String(data.get(field) ?? ""),
    );
    this.working = true;
    this.error = "";
    try {
      const isNew = this.isNew && !this.#account.value;
      if (isNew) await store().signUp(name!, password!, device!);
      else await store().signIn(name!, password!, device!);
      toast(words.account.done(name!));
      go("today");
    } catch (error) {
      this.error = wordsOf(error);
    } finally {
      this.working = false;
    }
  };

  #signedIn(account: Account): TemplateResult {
    const a = words.account;
    return html`<div class="card">
        <dl class="addresses"><dt>${a.as}</dt><dd>${account.name}</dd>
          <dt>${a.server}</dt><dd>${account.server}</dd>
          <dt>${a.deviceId}</dt><dd>${account.device_id ?? words.nothing}</dd></dl>
        <div class="row">
          <button class="primary" ?disabled=${this.working} @click=${this.#sync}>${a.syncNow}</button>
          <button @click=${this.#ask}>${a.signOut}</button>
        </div>
      </div>`;
  }

  readonly #sync = async (): Promise<void> => {
    this.working = true;
    await attempt(async () => {
      const { end, status } = await store().syncNow();
      if (end === "done" && status.flow === "synced") toast(words.account.synced);
      else if (end !== "done") {
        toast(sentenceOf("stalled" in end ? end.stalled.message : end.out_of_patience.message));
      }
    });
    this.working = false;
  };

  readonly #ask = async (): Promise<void> => {
    await attempt(async () => {
      this.loss = await store().wouldBeLost();
      await this.updateComplete;
      this.renderRoot.querySelector<HTMLElement>("#leaving")?.focus();
    });
  };

  #leaving(loss: Loss): TemplateResult {
    const a = words.account;
    const lines = (
      [
        [loss.unsent, a.unsent],
        [loss.failed, a.failed],
        [loss.conflicts, a.conflicts],
      ] as const
    ).flatMap(([counts, say]) =>
      Object.entries(counts).map(([type, n]) => say(n, words.types[type] ?? type)),
    );
    return html`<div class="card">
      <h2 id="leaving" tabindex="-1">${a.signOutTitle}</h2>
      ${loss.total === 0
        ? html`<p>${a.signOutSafe}</p>`
        : html`<p class="error">${a.signOutLoss(loss.total)}</p>
            <ul>${lines.map((line) => html`<li>${line}</li>`)}</ul>
            <p><a href=${link("export")}>${a.saveCopy}</a></p>`}
      <div class="row">
        <button class="danger" @click=${() => this.#leave(loss)}>
          ${loss.total === 0 ? a.signOutNow : a.signOutAnyway}</button>
        <button @click=${() => (this.loss = undefined)}>${words.cancel}</button>
      </div>
    </div>`;
  }

  async #leave(loss: Loss): Promise<void> {
    const isOut = await attempt(async () => {
      await store().signOut(loss);
      await removeSetAside();
    });
    this.loss = undefined;
    if (isOut) toast(words.account.signedOut);
  }
}

customElements.define("pulse-account", AccountScreen);
