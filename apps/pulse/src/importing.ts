// The import that runs, on whichever screen the person is meanwhile.

import type { ImportProgress, ImportResult } from "@clarity/sync";
import { Changing } from "./changing.js";
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
  | { readonly is: "failed"; readonly file: string; readonly saved: number; readonly why: string };

const latest = new Changing<Import>({ is: "none" });
/** The latest import. */
export const latestImport: Pick<Changing<Import>, "liveIn"> = latest;
let cancel: AbortController | undefined;

/** Imports a file; how it goes is what {@link latestImport} shows. One at a time. */
export async function startImport(from: File): Promise<void> {
  if (latest.value.is === "running") return;
  const file = from.name;
  cancel = new AbortController();
  const { signal } = cancel;
  let saved = 0;
  latest.become({ is: "running", file, progress: undefined });
  const warn = (event: BeforeUnloadEvent): void => event.preventDefault();
  addEventListener("beforeunload", warn);
  try {
    const onProgress = (progress: ImportProgress): void => {
      saved = progress.saved;
      latest.become({ is: "running", file, progress });
    };
    const result = await store().import(from, { signal, onProgress });
    latest.become({ is: "done", file, result });
    keepForGood();
    if (currentRoute().screen !== "import") toast(words.import.done(result.new));
  } catch (error) {
    if (signal.aborted) latest.become({ is: "stopped", file, saved });
    else latest.become({ is: "failed", file, saved, why: wordsOf(error) });
  } finally {
    removeEventListener("beforeunload", warn);
    void attempt(lookAtSources);
  }
}

/** Ends the import that runs. What it saved stays. */
export function cancelImport(): void {
  cancel?.abort();
}
