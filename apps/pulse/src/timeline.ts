// All entries, the newest first, read page by page from the types that have a time, and merged.

import type { Entity } from "@clarity/sync";
import { TIMED, searchedText, whenOf } from "./entries.js";
import { store } from "./store.js";

/** Which entries: all, those of one type, or those of one metric. */
export interface Filter {
  readonly type?: string;
  readonly metric?: string;
  /** What is looked for: each of the words, in small letters, must be in the entry. */
  readonly words?: readonly string[];
}

const PAGE = 50;
/** Where most of what is read is not what is looked for. */
const SEARCHED_PAGE = 500;

interface Source {
  readonly type: string;
  readonly read: Entity[];
  next: string | undefined;
  ended: boolean;
}

export class Reader {
  readonly #sources: readonly Source[];
  readonly #filter: Filter;
  #isStopped = false;

  constructor(filter: Filter) {
    this.#filter = filter;
    const types = Object.keys(TIMED).filter((type) =>
      filter.metric === undefined
        ? filter.type === undefined || filter.type === type
        : type === "ManualReading" || type === "HealthMetric",
    );
    this.#sources = types.map((type) => ({ type, read: [], next: undefined, ended: false }));
  }

  /** Reads no further: nobody waits for the answer. */
  stop(): void {
    this.#isStopped = true;
  }

  /** The next entries; fewer than `count` when there are no more. */
  async take(count: number): Promise<Entity[]> {
    const taken: Entity[] = [];
    try {
      await this.#take(taken, count);
    } catch (error) {
      // None of them is left out when they are asked for again.
      for (const entity of taken.reverse()) {
        this.#sources.find(({ type }) => type === entity.type)?.read.unshift(entity);
      }
      throw error;
    }
    return taken;
  }

  async #take(taken: Entity[], count: number): Promise<void> {
    while (taken.length < count) {
      await Promise.all(this.#sources.map((source) => this.#fill(source)));
      const latest = this.#sources
        .filter(({ read }) => read.length > 0)
        .sort((a, b) => whenOf(b.read[0]!) - whenOf(a.read[0]!))[0];
      const entity = latest?.read.shift();
      if (!entity) break;
      taken.push(entity);
    }
  }

  async #fill(source: Source): Promise<void> {
    while (source.read.length === 0 && !source.ended && !this.#isStopped) await this.#page(source);
  }

  async #page(source: Source): Promise<void> {
    const { metric, words = [] } = this.#filter;
    const page = await store().query(
      source.type,
      {
        order_by: TIMED[source.type]!,
        descending: true,
        limit: words.length > 0 ? SEARCHED_PAGE : PAGE,
        ...(metric === undefined ? {} : { filters: [["metric", "=", metric]] }),
      },
      source.next,
    );
    const isFound = (entity: Entity): boolean => {
      const searched = words.length > 0 ? searchedText(entity) : "";
      return words.every((word) => searched.includes(word));
    };
    source.read.push(...page.entities.filter(isFound));
    source.next = page.next ?? undefined;
    source.ended = page.next === null;
  }
}
