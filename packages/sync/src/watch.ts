import { SyncError } from "./errors.js";
import type { Link } from "./link.js";

/**
 * A value now, and again each time that it is another one. Whoever is slow misses what lay between,
 * never the last value. It ends with `return`, with `break` out of a `for await`, or with the signal.
 */
export async function* watched<T>(
  link: Link,
  call: object,
  signal: AbortSignal | undefined,
): AsyncGenerator<T, void, undefined> {
  let latest: { value: T } | { error: SyncError } | null = null;
  let wake: (() => void) | null = null;
  const stop = link.watch(call, (result) => {
    latest =
      "ok" in result ? { value: result.ok as T } : { error: SyncError.of(result.error) };
    wake?.();
  });
  const aborted = (): void => wake?.();
  signal?.addEventListener("abort", aborted);
  try {
    while (!signal?.aborted) {
      const next = latest as { value: T } | { error: SyncError } | null;
      latest = null;
      if (next === null) {
        await new Promise<void>((resolve) => (wake = resolve));
        wake = null;
      } else if ("value" in next) {
        yield next.value;
      } else {
        throw next.error;
      }
    }
  } finally {
    signal?.removeEventListener("abort", aborted);
    stop();
  }
}
