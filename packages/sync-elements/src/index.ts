/**
 * Web components that show where a person's data is, and let them decide what only they can.
 *
 * @packageDocumentation
 */
export { Announcer, ProgressSteps } from "./announcer.js";
export type { Announcement } from "./announcer.js";
export { english } from "./english.js";
export { pseudo } from "./pseudo.js";
export { activeStates, STATES, unsent } from "./states.js";
export type { Action, Facts, Part, StaleSource, StateName, StateTraits, Tone } from "./states.js";
export { patience, SteadyFlow } from "./steady.js";
export type { Timer } from "./steady.js";
export { spokenChange, viewOf } from "./views.js";
export type { StateView, SyncView } from "./views.js";
export { Words } from "./words.js";
export type { Catalogue, Text, TextKey, Values } from "./words.js";
export { exampleStatus, examples } from "./examples.js";
export type { Example } from "./examples.js";
