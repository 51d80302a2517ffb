// A network that can be broken, in the place of the worker's own. Requests that get through go to the
// real server, and their answers come from it.

import type { Conditions, Exchange, Report, Told } from "./network.js";
import { saidIn } from "./said.js";

/** How long a slow network keeps a request, and then its answer. */
const SLOW_MS = 1_500;
/** What a network shows that wants to be signed in to. */
const SIGN_IN_PAGE = "<!doctype html><title>Welcome</title><h1>Sign in to this Wi-Fi</h1>";

const carry = globalThis.fetch.bind(globalThis);
const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** What a browser says of any request that comes to nothing. */
const broken = (): TypeError => new TypeError("Failed to fetch");

const told = Promise.withResolvers<void>();
let conditions: Conditions = { airplane: false, network: "good" };
/** What it is that stops a request now. */
const cause = (): Exchange["stopped"] => {
  if (conditions.airplane) return "airplane";
  return conditions.network === "good" || conditions.network === "slow" ? null : conditions.network;
};
/** Connections that are open, to be cut when the network changes. */
const open = new Set<AbortController>();

globalThis.addEventListener("message", (event: MessageEvent<Partial<Told>>) => {
  const next = event.data.lab;
  if (!next) return;
  // It is not for the worker of the product, which hears of the network as in any browser.
  event.stopImmediatePropagation();
  const before = conditions;
  conditions = next;
  told.resolve();
  if (next.airplane || next.network !== "good") {
    for (const connection of open) connection.abort(broken());
  }
  if (next.airplane !== before.airplane) {
    globalThis.dispatchEvent(new Event(next.airplane ? "offline" : "online"));
  }
});

globalThis.fetch = async (input, init) => {
  const asked = new URL(input instanceof Request ? input.url : input, location.href);
  if (!asked.pathname.startsWith("/v1/")) return carry(input, init);
  await told.promise;
  return new Passage(asked.pathname, init ?? {}).through(asked);
};

/** One request on its way. */
class Passage {
  readonly #exchange: Pick<Exchange, "at" | "method" | "path">;
  readonly #init: RequestInit;

  constructor(path: string, init: RequestInit) {
    this.#init = init;
    this.#exchange = { at: Date.now(), method: init.method ?? "GET", path };
  }

  async through(address: URL): Promise<Response> {
    const { airplane, network } = conditions;
    if (airplane || network === "offline") {
      this.#report(null, cause());
      throw broken();
    }
    if (network === "portal") {
      this.#report(null, "portal");
      return new Response(SIGN_IN_PAGE, { headers: { "content-type": "text/html" } });
    }
    if (network === "errors") {
      this.#report(null, "errors");
      return new Response("bad gateway", { status: 502 });
    }
    return this.#carried(address);
  }

  async #carried(address: URL): Promise<Response> {
    const connection = new AbortController();
    open.add(connection);
    const given = this.#init.signal;
    given?.addEventListener("abort", () => open.delete(connection), { once: true });
    const signal = AbortSignal.any(given ? [connection.signal, given] : [connection.signal]);
    const isSlow = conditions.network === "slow";
    if (isSlow) await wait(SLOW_MS);
    try {
      const answer = await carry(address, { ...this.#init, signal });
      const isStream = answer.headers.get("content-type")?.startsWith("text/event-stream");
      if (isStream && conditions.network !== "lost") {
        this.#report(answer.status, null);
        return answer;
      }
      // The whole of it: only then has the server done what it was asked.
      const body = isStream ? new ArrayBuffer(0) : await answer.arrayBuffer();
      const said = saidIn(this.#exchange.path, this.#init.body, new TextDecoder().decode(body));
      open.delete(connection);
      if (conditions.network === "lost") {
        connection.abort(broken());
        this.#report(answer.status, "lost", said);
        throw broken();
      }
      if (isSlow) await wait(SLOW_MS);
      this.#report(answer.status, null, said);
      return new Response(body.byteLength > 0 ? body : null, answer);
    } catch (error) {
      if (open.delete(connection) && connection.signal.aborted) this.#report(null, cause());
      throw error;
    }
  }

  #report(status: number | null, stopped: Exchange["stopped"], said: readonly string[] = []): void {
    const exchange: Exchange = { ...this.#exchange, status, stopped, said };
    (globalThis as unknown as Worker).postMessage({ kind: "lab", exchange } satisfies Report);
  }
}
