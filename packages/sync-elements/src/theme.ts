import { css } from "lit";

/**
 * The tokens. `light-dark` follows the `color-scheme` of the page or of any element around, so that
 * a manual switch is one line of the app's style. Each can be set by its public name.
 */
export const tokens = css`
  :host {
    --_grey: var(--clarity-grey, light-dark(#566070, #a3aebd));
    --_orange: var(--clarity-orange, light-dark(#b45309, #fb923c));
    --_yellow: var(--clarity-yellow, light-dark(#8a6100, #facc15));
    --_green: var(--clarity-green, light-dark(#15803d, #4ade80));
    --_red: var(--clarity-red, light-dark(#b91c1c, #fca5a5));
    --_violet: var(--clarity-violet, light-dark(#6d28d9, #c4b5fd));
    --_surface: var(--clarity-surface, light-dark(#ffffff, #18212d));
    --_sunken: var(--clarity-sunken, light-dark(#f4f6f8, #0f1620));
    --_text: var(--clarity-text, light-dark(#111927, #eef2f7));
    --_soft: var(--clarity-text-soft, light-dark(#4a5565, #b6c0cd));
    --_line: var(--clarity-line, light-dark(#d5dbe3, #324052));
    --_edge: var(--clarity-edge, light-dark(#77839a, #8694a8));
    --_accent: var(--clarity-accent, light-dark(#1d4ed8, #93c5fd));
    --_on-accent: var(--clarity-on-accent, light-dark(#ffffff, #0f1620));
    --_radius: var(--clarity-radius, 12px);
    display: block;
    color: var(--_text);
    font-family: var(--clarity-font, system-ui, sans-serif);
    line-height: 1.45;
    text-align: start;
    overflow-wrap: anywhere;
  }
  :host([hidden]) {
    display: none;
  }
`;

/** What all elements share. */
export const shared = css`
  * {
    box-sizing: border-box;
  }
  h2,
  h3,
  p,
  ul,
  ol,
  dl,
  dd {
    margin: 0;
    padding: 0;
  }
  ul,
  ol {
    list-style: none;
  }
  h2 {
    font-size: 1.15rem;
  }
  h3 {
    font-size: 1rem;
  }
  h2:focus {
    outline: none;
  }
  .stack {
    display: grid;
    gap: 0.75rem;
    grid-template-columns: minmax(0, 1fr);
  }
  .row {
    display: flex;
    flex-wrap: wrap;
    gap: 0.5rem;
    align-items: center;
  }
  .soft {
    color: var(--_soft);
  }
  .small {
    font-size: 0.875rem;
  }
  .problem {
    color: var(--_red);
  }
  .card {
    background: var(--_surface);
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    padding: 0.875rem min(1rem, 5vw);
    overflow-wrap: anywhere;
  }
  .unseen {
    position: absolute;
    inline-size: 1px;
    block-size: 1px;
    overflow: hidden;
    clip-path: inset(50%);
    white-space: nowrap;
  }
  .icon {
    inline-size: 1.25rem;
    block-size: 1.25rem;
    flex: none;
    fill: none;
    stroke: currentColor;
    stroke-width: 2;
    stroke-linecap: round;
    stroke-linejoin: round;
  }
  .grey {
    color: var(--_grey);
  }
  .orange {
    color: var(--_orange);
  }
  .yellow {
    color: var(--_yellow);
  }
  .green {
    color: var(--_green);
  }
  .red {
    color: var(--_red);
  }
  .violet {
    color: var(--_violet);
  }
  button,
  select,
  summary {
    font: inherit;
    min-block-size: 44px;
    min-inline-size: 44px;
  }
  select {
    max-inline-size: 100%;
  }
  button,
  select {
    overflow-wrap: anywhere;
    color: var(--_text);
    background: var(--_surface);
    border: 1px solid var(--_edge);
    border-radius: calc(var(--_radius) - 4px);
    padding: 0.4rem min(0.9rem, 5vw);
    cursor: pointer;
  }
  button:hover {
    background: var(--_sunken);
  }
  button.main {
    background: var(--_accent);
    border-color: var(--_accent);
    color: var(--_on-accent);
  }
  button:disabled {
    color: var(--_soft);
    background: var(--_sunken);
    border-style: dashed;
    border-color: var(--_edge);
    cursor: default;
  }
  summary {
    display: list-item;
    align-content: center;
    cursor: pointer;
  }
  :focus-visible {
    outline: 3px solid var(--_accent);
    outline-offset: 2px;
  }
  @media (forced-colors: active) {
    .icon {
      stroke: CanvasText;
    }
    .card {
      border-color: CanvasText;
    }
    button.main {
      border-width: 3px;
    }
  }
`;
