import { css } from "lit";

/** Columns where there is room, a card for each field where there is none. */
export const resolverStyles = css`
  :host {
    container-type: inline-size;
  }
  .head {
    justify-content: space-between;
  }
  h2 {
    display: flex;
    gap: 0.5rem;
    align-items: center;
  }
  h2 span {
    display: inline-flex;
  }
  .move {
    font-size: 1.25rem;
    padding: 0;
  }
  .table {
    display: grid;
    gap: 0.75rem;
  }
  .line {
    display: grid;
    gap: 0.5rem 1rem;
    grid-template-columns: minmax(0, 1fr);
    border: 1px solid var(--_line);
    border-radius: var(--_radius);
    padding: 0.75rem;
    background: var(--_surface);
  }
  .line.titles {
    display: none;
  }
  .name {
    font-weight: 600;
  }
  .before .label {
    display: block;
  }
  .versions {
    display: grid;
    gap: 0.5rem;
    grid-template-columns: repeat(auto-fit, minmax(min(10rem, 100%), 1fr));
  }
  .option {
    display: flex;
    gap: 0.6rem;
    align-items: center;
    min-block-size: 44px;
    padding: 0.4rem 0.6rem;
    border: 1px solid var(--_edge);
    border-radius: calc(var(--_radius) - 4px);
    cursor: pointer;
    min-inline-size: 0;
  }
  .option.plain {
    border: 0;
    padding-inline: 0;
  }
  .option:has(:checked) {
    outline: 2px solid var(--_accent);
    outline-offset: -2px;
  }
  .option.plain:has(:checked) {
    outline: none;
  }
  .option:has(:focus-visible) {
    outline: 3px solid var(--_accent);
    outline-offset: 2px;
  }
  .option:has(:checked) .value {
    font-weight: 700;
  }
  .option > span {
    display: grid;
    min-inline-size: 0;
  }
  .value {
    overflow-wrap: anywhere;
    white-space: pre-line;
  }
  mark {
    color: inherit;
    background: none;
    font-weight: 700;
    text-decoration: underline;
    text-decoration-thickness: 2px;
    text-underline-offset: 3px;
  }
  input[type="radio"],
  input[type="checkbox"] {
    inline-size: 1.25rem;
    block-size: 1.25rem;
    accent-color: var(--_accent);
    flex: none;
    margin: 0;
  }
  .edit {
    font: inherit;
    color: var(--_text);
    background: var(--_surface);
    border: 1px solid var(--_edge);
    border-radius: calc(var(--_radius) - 4px);
    padding: 0.4rem 0.6rem;
    min-block-size: 44px;
    inline-size: 100%;
    margin-block-start: 0.5rem;
  }
  .pair {
    display: flex;
    flex-wrap: wrap;
    gap: 0 0.75rem;
    padding-block: 0.15rem;
  }
  .result {
    overflow-wrap: anywhere;
  }
  .bar {
    background: var(--_surface);
    border-block-start: 1px solid var(--_line);
    padding-block: 0.75rem;
  }
  .later {
    border-color: transparent;
    text-decoration: underline;
  }
  @container (min-width: 42rem) {
    .line.titles {
      display: grid;
      border: 0;
      padding-block: 0;
      background: none;
      color: var(--_soft);
      font-size: 0.875rem;
    }
    .line {
      grid-template-columns: minmax(5rem, 1fr) minmax(5rem, 1fr) minmax(0, 5fr);
      align-items: start;
    }
    .line .label {
      display: none;
    }
    .table {
      gap: 0.5rem;
    }
  }
  @container (max-width: 30rem) {
    .bar {
      position: sticky;
      inset-block-end: 0;
    }
    .bar button {
      flex: 1 1 100%;
    }
  }
`;
