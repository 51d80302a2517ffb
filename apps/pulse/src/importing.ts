// The import that runs, on whichever screen the person is meanwhile.

import type { ImportProgress, ImportResult } from "@clarity/sync";
import type { ReactiveController, ReactiveControllerHost } from "lit";
import { lookAtSources } from "./facts.js";
import { wordsOf } from "./failures.js";
import { currentRoute } from "./router.js";
import { keepForGood, store } from "./store.js";
import { words } from "./strings.js";
import { toast } from "./toast.js";
import { attempt } from "./writing.js";

/** How it stands with the latest import of this page. */
export type Import =
  | { readonly is: "none" }
  | { readonly is: "running"; readonly file: string; readonly progress: ImportProgress | undefined }
  | { readonly is: "done"; readonly file: string; readonly result: ImportResult }
  | { readonly is: "stopped"; readonly file: string; readonly saved: number }
  | { readonly is: "failed"; readonly file: string; readonly why: string };

const changed = new EventTarget();
let latest: Import = { is: "none" };
let cancel: AbortController | undefined;

function become(next: Import): void {
  latest = next;
  changed.dispatchEvent(new Event("change"));
}

/** Imports a file; how it goes is what {@link LatestImport} shows. One at a time. */
export async function startImport(from: File): Promise<void> {
  if (latest.is === "running") return;
  const file = from.name;
  cancel = new AbortController();
  const { signal } = cancel;
  let saved = 0;
  become({ is: "running", file, progress: undefined });
  const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
  addEventListener("beforeunload", warn);
  try {
    const onProgress = (progress: ImportProgress): void => {
      saved = progress.saved;
      become({ is: "running", file, progress });
    };
    const result = await store().import(from, { signal, onProgress });
    become({ is: "done", file, result });
    keepForGood();
    if (currentRoute().screen !== "import") toast(words.import.done(result.new));
  } catch (error) {
    if (signal.aborted) become({ is: "stopped", file, saved });
    else become({ is: "failed", file, why: wordsOf(error) });
  } finally {
    removeEventListener("beforeunload", warn);
    void attempt(lookAtSources);
  }
}

/** Ends the import that runs. What it saved stays. */
export function cancelImport(): void {
  cancel?.abort();
}

/** The latest import, live, for as long as its host is on the page. */
export class LatestImport implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #update = (): void => this.#host.requestUpdate();

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  get value(): Import {
    return latest;
  }

  hostConnected(): void {
    changed.addEventListener("change", this.#update);
  }

  hostDisconnected(): void {
    changed.removeEventListener("change", this.#update);
  }
}
