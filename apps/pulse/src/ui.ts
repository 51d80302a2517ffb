// What all components look like. Each has it in its own shadow, so nothing reaches further than it
// is meant to.

import { css } from "lit";

export const ui = css`
  :host { display: block; color: var(--ink); }
  :host([hidden]) { display: none; }
  *, *::before, *::after { box-sizing: border-box; }
  h1 { font-size: min(1.6rem, 12vw); line-height: 1.2; margin: 0 0 1rem; overflow-wrap: anywhere; }
  h2 { font-size: 1.1rem; line-height: 1.3; margin: 0 0 0.75rem; }
  h1:focus { outline: none; }
  p { margin: 0 0 0.75rem; }
  a { color: var(--accent); }
  .icon { width: 1.25em; height: 1.25em; flex: none; vertical-align: -0.25em; }
  .muted { color: var(--muted); }
  .small { font-size: 0.875rem; }
  .error { color: var(--red); font-weight: 600; }
  .doubt { color: var(--yellow); font-weight: 600; }
  .number { font-variant-numeric: tabular-nums; }
  .card {
    background: var(--surface);
    border: 1px solid var(--line);
    border-radius: var(--radius);
    padding: 1rem min(1rem, 5vw);
    margin: 0 0 1rem;
  }
  .card > :last-child { margin-bottom: 0; }
  .row { display: flex; flex-wrap: wrap; gap: 0.75rem; align-items: center; }
  .spread { justify-content: space-between; }
  .wrap { overflow-wrap: anywhere; min-width: 0; }
  button, .button {
    font: inherit;
    font-weight: 600;
    min-height: 44px;
    max-width: 100%;
    padding: 0.5rem min(1.1rem, 6vw);
    border-radius: 10px;
    border: 1px solid var(--control-line);
    background: var(--surface);
    color: var(--ink);
    cursor: pointer;
    text-decoration: none;
    display: inline-flex;
    align-items: center;
    justify-content: center;
    gap: 0.5rem;
  }
  button:hover, .button:hover { background: var(--raised); }
  button.primary, .button.primary {
    background: var(--accent);
    border-color: var(--accent);
    color: var(--on-accent);
  }
  button.primary:hover, .button.primary:hover { filter: brightness(1.08); }
  button.danger { color: var(--red); border-color: var(--red); }
  button.plain { border-color: transparent; background: transparent; color: var(--accent); }
  button[disabled] { opacity: 0.6; cursor: default; }
  :focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; border-radius: 6px; }
  label, legend { font-weight: 600; display: block; margin-bottom: 0.3rem; padding: 0; }
  input, textarea, select {
    font: inherit;
    color: var(--ink);
    background: var(--surface);
    border: 1px solid var(--control-line);
    border-radius: 10px;
    padding: 0.55rem 0.75rem;
    min-height: 44px;
    width: 100%;
    max-width: 100%;
  }
  input::file-selector-button {
    font: inherit; font-weight: 600; color: var(--ink); background: var(--raised); cursor: pointer;
    border: 1px solid var(--control-line); border-radius: 8px; padding: 0.4rem 0.9rem;
    margin-inline-end: 0.75rem;
  }
  /* Browsers do not wrap these: what has no room is cut. */
  input[type="file"], input[type="datetime-local"] { font-size: min(1rem, 5vw); }
  textarea { min-height: 6rem; resize: vertical; }
  input[type="checkbox"], input[type="radio"] {
    width: 1.35rem; height: 1.35rem; min-height: 0; flex: none; margin: 0;
    accent-color: var(--accent);
  }
  input[aria-invalid="true"], textarea[aria-invalid="true"] { border: 2px solid var(--red); }
  fieldset { border: 0; padding: 0; margin: 0 0 1rem; min-width: 0; }
  .field { margin-bottom: 1rem; }
  .check { display: flex; gap: 0.75rem; align-items: center; min-height: 44px; padding-block: 0.25rem; font-weight: 400; margin: 0; }
  .list { list-style: none; margin: 0; padding: 0; }
  .card.list { padding: 0.25rem 1rem; margin-bottom: 1.5rem; }
  .list > li { border-top: 1px solid var(--line); }
  .list > li:first-child { border-top: 0; }
  table { border-collapse: collapse; width: 100%; }
  th, td { text-align: start; padding: 0.45rem 0; padding-inline-end: 0.75rem; vertical-align: top; }
  th:last-child, td:last-child { padding-inline-end: 0; }
  tr + tr > *, tbody tr > * { border-top: 1px solid var(--line); }
  th { font-weight: 600; }
  td.number, th.number { text-align: end; white-space: nowrap; }
  th.number { white-space: normal; }
  .scroll { overflow-x: auto; container-type: inline-size; }
  /* Where its columns have no room beside each other, each row says what its values are. */
  @container (max-width: 30rem) {
    .scroll table, .scroll caption, .scroll tbody { display: block; }
    .scroll caption { text-align: start; font-weight: 600; }
    .scroll thead { display: none; }
    .scroll tr { display: flex; flex-wrap: wrap; gap: 0 1rem; padding: 0.45rem 0; }
    .scroll tbody tr + tr { border-top: 1px solid var(--line); }
    .scroll tbody tr > * { border: 0; padding: 0; }
    .scroll th { flex-basis: 100%; }
    .scroll td.number { text-align: start; white-space: normal; }
    .scroll td::before { content: attr(data-label) " "; color: var(--muted); }
  }
  dl { display: grid; grid-template-columns: minmax(6rem, auto) 1fr; gap: 0.4rem 1rem; margin: 0 0 1rem; }
  dt { color: var(--muted); }
  dd { margin: 0; overflow-wrap: anywhere; }
  /* Large text on a narrow phone: the width is that of the screen's part of the frame. */
  @container (max-width: 14rem) {
    dl { grid-template-columns: 1fr; gap: 0; }
    dd { margin-bottom: 0.5rem; }
  }
  @media (max-width: 400px) {
    dl.addresses { grid-template-columns: 1fr; gap: 0; }
    dl.addresses dd { margin-bottom: 0.5rem; }
  }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; font-size: 0.8rem; }
  .badge {
    display: inline-flex;
    gap: 0.25rem;
    align-items: center;
    font-size: 0.8rem;
    font-weight: 600;
    border: 1px solid currentColor;
    border-radius: 999px;
    padding: 0.05rem 0.5rem;
    max-width: 100%;
  }
  .badge.waiting { color: var(--yellow); }
  .badge.conflict { color: var(--violet); }
  .hidden {
    position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
    white-space: nowrap;
  }
`;
