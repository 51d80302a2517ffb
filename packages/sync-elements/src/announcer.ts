import type { StateName } from "./states.js";
import { realTimer } from "./steady.js";
import type { Timer } from "./steady.js";
import type { SyncView } from "./views.js";

/** What is read out: politely, or at once. */
export interface Announcement {
  readonly text: string;
  readonly urgent: boolean;
}

const QUIET_MS = 2_000;

/**
 * Says what changed, and only that: not what was so when the page opened, unless it is urgent; not
 * what passed within two seconds; not the same state again because a number in it is another one.
 */
export class Announcer {
  #told: ReadonlySet<StateName> | null = null;
  #toldFlow: StateName | null = null;
  #view: SyncView | null = null;
  #cancel: (() => void) | null = null;

  /**
   * @param say Called with what is to be read out.
   * @param wordsFor The words for a flow that follows another one.
   */
  constructor(
    readonly say: (announcement: Announcement) => void,
    readonly wordsFor: (from: StateName | null, view: SyncView) => string,
    readonly timer: Timer = realTimer,
  ) {}

  /** Takes what holds now. */
  observe(view: SyncView): void {
    if (view.flow.name === "starting") return;
    const isFirst = this.#told === null && this.#view === null;
    this.#view = view;
    if (isFirst) {
      // Only what is urgent is news to somebody who has just opened the page.
      this.#told = new Set(view.all.filter((state) => !state.urgent).map((state) => state.name));
      this.#toldFlow = view.flow.name;
    }
    const changed = this.#isNews(view);
    if (changed && this.#cancel === null) {
      this.#cancel = this.timer(() => this.#tell(), QUIET_MS);
    } else if (!changed) {
      this.stop();
    }
  }

  #isNews(view: SyncView): boolean {
    const told = this.#told ?? new Set();
    const names = view.all.map((state) => state.name);
    return names.some((name) => !told.has(name)) || names.length !== told.size;
  }

  #tell(): void {
    this.#cancel = null;
    const view = this.#view;
    if (view === null) return;
    const told = this.#told ?? new Set();
    const news = view.all.filter((state) => !told.has(state.name));
    // In one text each: where it is shown, a second one would take the place of the first.
    for (const urgent of [true, false]) {
      const text = news
        .filter((state) => state.urgent === urgent)
        .map(({ name, spoken }) => {
          return name === view.flow.name ? this.wordsFor(this.#toldFlow, view) : spoken;
        })
        .join(" ");
      if (text !== "") this.say({ text, urgent });
    }
    this.#told = new Set(view.all.map((state) => state.name));
    this.#toldFlow = view.flow.name;
  }

  /** Says nothing more of what was seen so far. */
  stop(): void {
    this.#cancel?.();
    this.#cancel = null;
  }
}

const QUARTERS = [0.25, 0.5, 0.75] as const;

/** Which moments of a progress are worth being read out: its start, its quarters, its end. */
export class ProgressSteps {
  #reached = -1;

  /** Takes how far it is; says what to read out, if anything. */
  advance(part: number | null, isOver: boolean): "start" | number | "end" | null {
    const before = this.#reached;
    if (isOver) {
      this.#reached = -1;
      return before < 0 ? null : "end";
    }
    const quarters = QUARTERS.filter((quarter) => (part ?? 0) >= quarter).length;
    if (before < 0) {
      this.#reached = quarters;
      return "start";
    }
    if (quarters <= before) return null;
    this.#reached = quarters;
    return QUARTERS[quarters - 1] ?? null;
  }
}
