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
export { ClarityActivity } from "./activity.js";
export { ActivityLog, eventText } from "./activity-log.js";
export type { ActivityEvent } from "./activity-log.js";
export { Names } from "./describe.js";
export type { Describer } from "./describe.js";
export { ClaritySyncDetails } from "./details.js";
export type { Tab } from "./details.js";
export { setDescriber, setWords } from "./element.js";
export { ClarityFailedOperations, lossOf } from "./failed.js";
export { stateIcon } from "./icons.js";
export { ClarityConflictInbox } from "./inbox.js";
export { ClaritySyncProgress } from "./progress-element.js";
export { ClarityConflictResolver } from "./resolver.js";
export type { ResolveDetail } from "./resolver.js";
export * as resolution from "./resolution.js";
export type { Choice, Choices } from "./resolution.js";
export { ClaritySyncStatus } from "./status-element.js";
export { ClarityStorage } from "./storage-element.js";
export { ClarityWaitingChanges } from "./waiting.js";
