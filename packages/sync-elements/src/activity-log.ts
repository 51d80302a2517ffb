import type { ClaritySync, Status } from "@clarity/sync";
import type { Words } from "./words.js";

/** What one run of the sync did. */
interface Run {
  readonly sent: number;
  readonly received: number;
  readonly duration_ms: number;
}

/** Something that happened. It holds no value, name or id, so that it can be shown to helpers. */
export type ActivityEvent = { readonly at: number } & (
  | ({ readonly kind: "synced" } & Run)
  | { readonly kind: "conflicts" | "failed"; readonly count: number }
  | { readonly kind: "error"; readonly message: string }
);

const EVENTS_MAX = 500;
const logs = new WeakMap<ClaritySync, ActivityLog>();

/** The latest events, made from what changes in a status. */
export class ActivityLog {
  #events: readonly ActivityEvent[] = [];
  #last: Status | null = null;

  /** The log of a store, however often elements that show it come and go. */
  static of(sync: ClaritySync): ActivityLog {
    const known = logs.get(sync) ?? new ActivityLog();
    logs.set(sync, known);
    return known;
  }

  /** The events, the newest first. */
  get events(): readonly ActivityEvent[] {
    return this.#events;
  }

  /** Takes what holds now. */
  observe(status: Status, now: number): void {
    const last = this.#last;
    this.#last = status;
    const { progress } = status;
    const moved = progress.pushed + progress.pulled;
    const isNew = last === null || last.progress.run !== progress.run || !last.progress.over;
    if (last !== null && progress.over && isNew && moved > 0) {
      const { pushed: sent, pulled: received, began_at } = progress;
      const duration_ms = now - (began_at ?? now);
      this.#add({ at: now, kind: "synced", sent, received, duration_ms });
    }
    if (status.conflicts > (last?.conflicts ?? 0)) {
      const count = status.conflicts - (last?.conflicts ?? 0);
      this.#add({ at: now, kind: "conflicts", count });
    }
    if (status.failed > (last?.failed ?? 0)) {
      this.#add({ at: now, kind: "failed", count: status.failed - (last?.failed ?? 0) });
    }
    const { last_error, last_error_at } = status;
    if (last_error !== null && last !== null && last_error_at !== last.last_error_at) {
      this.#add({ at: last_error_at ?? now, kind: "error", message: last_error });
    }
  }

  #add(event: ActivityEvent): void {
    this.#events = [event, ...this.#events].slice(0, EVENTS_MAX);
  }
}

/** An event in words. */
export function eventText(event: ActivityEvent, words: Words): string {
  switch (event.kind) {
    case "synced": {
      const { sent, received, duration_ms } = event;
      const duration = words.lasting(Math.max(1000, duration_ms));
      return words.text("activity.synced", { sent, received, duration });
    }
    case "conflicts":
    case "failed":
      return words.text(`activity.${event.kind}`, { count: event.count });
    case "error":
      return words.text("activity.error", { message: event.message });
  }
}
