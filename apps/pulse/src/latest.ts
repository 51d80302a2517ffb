// The latest values of one metric, whoever recorded it: the person, or a source.

import type { Entity, Page } from "@clarity/sync";
import type { ReactiveControllerHost } from "lit";
import { whenOf } from "./entries.js";
import { Watch } from "./watch.js";

const TYPES = ["ManualReading", "HealthMetric"] as const;

export class Latest {
  readonly #watches: readonly Watch<Page>[];

  constructor(host: ReactiveControllerHost, metric: string, limit = 1) {
    this.#watches = TYPES.map(
      (type) =>
        new Watch(host, (sync, options) =>
          sync.watchQuery(
            type,
            {
              filters: [["metric", "=", metric]],
              order_by: "start_ms",
              descending: true,
              limit,
            },
            options,
          ),
        ),
    );
  }

  /** Whether all are known. */
  get known(): boolean {
    return this.#watches.every(({ value }) => value !== undefined);
  }

  get entity(): Entity | undefined {
    return this.entities[0];
  }

  /** The newest first. */
  get entities(): Entity[] {
    return this.#watches
      .flatMap(({ value }) => value?.entities ?? [])
      .sort((a, b) => whenOf(b) - whenOf(a));
  }
}
