// Sizes, as a person reads them.

const UNITS = ["B", "kB", "MB", "GB", "TB"];

export function shownBytes(bytes: number): string {
  let [size, unit] = [bytes, 0];
  for (; size >= 1000 && unit < UNITS.length - 1; unit += 1) size /= 1000;
  const maximumFractionDigits = size < 10 && unit > 0 ? 1 : 0;
  return `${size.toLocaleString(undefined, { maximumFractionDigits })} ${UNITS[unit]}`;
}
