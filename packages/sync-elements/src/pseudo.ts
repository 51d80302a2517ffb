import { english } from "./english.js";
import type { Catalogue, Text } from "./words.js";

const ACCENTED: Readonly<Record<string, string>> = {
  a: "á", c: "ç", e: "é", i: "í", l: "ł", n: "ñ", o: "ó", r: "ř", s: "š", u: "ú", y: "ý",
  A: "Á", C: "Ç", E: "É", I: "Í", N: "Ñ", O: "Ó", S: "Š", U: "Ú", Y: "Ý",
};

/**
 * English as no language is: with accents, in brackets and half as long again. What is not in
 * brackets on a page was not taken from the catalogue; what is cut off has too little room.
 */
export const pseudo: Catalogue = Object.fromEntries(
  Object.entries(english).map(([key, text]) => [key, stretched(text)]),
) as Record<keyof typeof english, Text>;

function stretched(text: Text): Text {
  if (typeof text === "string") return stretchedForm(text);
  const forms = Object.entries(text).map(([category, form]) => [category, stretchedForm(form)]);
  return Object.fromEntries(forms) as Text;
}

function stretchedForm(form: string): string {
  const parts = form.split(/(\{\w+\})/u);
  const accented = parts.map((part) =>
    part.startsWith("{") ? part : part.replace(/[a-z]/giu, (letter) => ACCENTED[letter] ?? letter),
  );
  const vowels = "óéáú".repeat(Math.ceil(form.length / 8)).slice(0, Math.ceil(form.length / 2));
  return `[${accented.join("")} ${vowels}]`;
}
