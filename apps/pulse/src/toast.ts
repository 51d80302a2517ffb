// Short notices at the edge of the screen, with at most one thing to do.

export interface Action {
  readonly label: string;
  readonly run: () => Promise<unknown> | unknown;
}
export interface Toast {
  readonly message: string;
  readonly action: Action | undefined;
  /** Whether it stays until it is dismissed. */
  readonly stays: boolean;
}

const heard = new EventTarget();

/** Shows a notice. */
export function toast(message: string, action?: Action, stays = false): void {
  heard.dispatchEvent(new CustomEvent<Toast>("toast", { detail: { message, action, stays } }));
}

/** Hears of each notice. */
export function onToast(hear: (toast: Toast) => void, signal: AbortSignal): void {
  const listen = (event: Event): void => hear((event as CustomEvent<Toast>).detail);
  heard.addEventListener("toast", listen, { signal });
}
