// Where the parts of the app are: a bar at the bottom of a phone, a rail beside a wide screen.

import { css } from "lit";

export const frame = css`
  :host { min-height: 100dvh; display: block; }
  .skip { position: fixed; top: 0.5rem; inset-inline-start: 0.5rem; z-index: 10; transform: translateY(-200%); }
  .skip:focus { transform: none; }
  header {
    position: sticky; top: 0; z-index: 5; min-height: 56px; padding: 0.35rem min(1rem, 5vw);
    container-type: inline-size;
    padding-top: max(0.35rem, env(safe-area-inset-top));
    display: flex; flex-wrap: wrap; gap: 0.5rem; align-items: center;
    justify-content: space-between;
    background: var(--surface); border-bottom: 1px solid var(--line);
  }
  .brand {
    display: flex; gap: 0.6rem; align-items: center; min-height: 44px;
    color: var(--ink); font-weight: 700; text-decoration: none;
  }
  /* With large text on a narrow phone the words have all of the bar; "Today" leads there, too. */
  @container (max-width: 14rem) { .brand { display: none; } }
  @media (max-width: 520px) {
    .brand span { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
    header { flex-wrap: nowrap; }
  }
  main { padding: 1.25rem min(1rem, 5vw) 7rem; max-width: 62rem; }
  /* What is hidden for the eye only is placed in it, and makes the page no longer. */
  main { position: relative; container-type: inline-size; }
  main:focus { outline: none; }
  main.alone { max-width: 34rem; margin: 10vh auto 0; }
  clarity-sync-details { position: relative; z-index: 7; }
  .notice { border-color: var(--yellow); }
  nav {
    position: fixed; inset: auto 0 0 0; z-index: 5; display: flex;
    background: var(--surface); border-top: 1px solid var(--line);
    padding-bottom: env(safe-area-inset-bottom);
  }
  nav a {
    flex: 1 1 0; min-width: 0; min-height: 56px; padding: 0.35rem 0.1rem; gap: 0.1rem;
    display: flex; flex-direction: column; align-items: center; justify-content: center;
    color: var(--muted); text-decoration: none;
    /* Its words stay whole, and the bar low, however large the text is. */
    font-size: min(0.75rem, 4vw);
  }
  nav a .icon { width: min(1.5rem, 8vw); height: min(1.5rem, 8vw); }
  nav a span { overflow-wrap: anywhere; text-align: center; line-height: 1.15; }
  nav a[aria-current] { color: var(--accent); font-weight: 700; }
  nav a[aria-current] .icon { stroke-width: 2.6; }
  .wide { display: none; }
  @media (min-width: 900px) {
    header { padding-inline: 1.5rem; }
    nav {
      inset-block: 57px 0; inset-inline: 0 auto; width: 14rem; flex-direction: column; overflow-y: auto;
      border-top: 0; border-inline-end: 1px solid var(--line); padding: 1rem 0.75rem;
    }
    nav a {
      flex: none; flex-direction: row; justify-content: flex-start; gap: 0.8rem;
      min-height: 44px; padding: 0.4rem 0.8rem; border-radius: 10px; font-size: 1rem;
      color: var(--ink);
    }
    nav a .icon { width: 1.25rem; height: 1.25rem; }
    nav a:hover { background: var(--raised); }
    nav a[aria-current] { background: var(--raised); }
    nav .narrow { display: none; }
    .wide { display: block; margin-top: 1rem; padding-top: 1rem; border-top: 1px solid var(--line); }
    main { margin-inline-start: 14rem; padding: 2rem 2.5rem 4rem; }
    main.alone { margin: 10vh auto 0; }
  }
  /* The details of the sync are 28rem wide. Where there is room for both, they cover nothing. */
  @media (min-width: 900px) { pulse-toasts.beside { inset-inline-end: 29.5rem; } }
  @media (min-width: 1200px) {
    header.beside, main.beside { margin-inline-end: 28rem; }
  }
  /* What scrolls is between the bars, so that a notice takes its room from it and covers nothing. */
  @media (min-height: 421px) and (max-width: 899px) {
    :host { display: flex; flex-direction: column; height: 100dvh; min-height: 0; }
    header, nav { position: static; flex: none; }
    main { flex: 1; min-height: 0; overflow-y: auto; padding-bottom: 2rem; order: 1; }
    pulse-toasts { flex: none; order: 2; }
    nav { order: 3; }
  }
  @media (max-height: 420px) and (max-width: 899px) {
    header { position: static; }
    nav { position: static; }
    main { padding-bottom: 2rem; }
  }
`;
