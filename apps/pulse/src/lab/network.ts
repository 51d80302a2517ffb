// What the lab's page and the workers of its phones say to each other.

/** How the network between the phones and the server is. */
export const NETWORKS = ["good", "slow", "offline", "portal", "errors", "lost"] as const;
export type Network = (typeof NETWORKS)[number];

/** How the network is for one phone. */
export interface Conditions {
  readonly airplane: boolean;
  readonly network: Network;
}

/** One request of a phone, and what became of it. */
export interface Exchange {
  /** When it was made, in milliseconds since 1970. */
  readonly at: number;
  readonly method: string;
  readonly path: string;
  /** What the server answered; nothing when the request did not reach it. */
  readonly status: number | null;
  /** Why the phone did not hear that answer; nothing when it did. */
  readonly stopped: "airplane" | Exclude<Network, "good" | "slow"> | null;
  /** What was asked and answered, in words. */
  readonly said: readonly string[];
}

/** From the page to a worker. */
export interface Told {
  readonly lab: Conditions;
}

/** From a worker to its page. */
export interface Report {
  readonly kind: "lab";
  readonly exchange: Exchange;
}
