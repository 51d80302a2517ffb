/**
 * Makes the elements known to the page, by their names.
 *
 * @packageDocumentation
 */
import {
  ClarityActivity,
  ClarityConflictInbox,
  ClarityConflictResolver,
  ClarityFailedOperations,
  ClarityStorage,
  ClaritySyncDetails,
  ClaritySyncProgress,
  ClaritySyncStatus,
  ClarityWaitingChanges,
} from "./index.js";

declare global {
  interface HTMLElementTagNameMap {
    "clarity-activity": ClarityActivity;
    "clarity-conflict-inbox": ClarityConflictInbox;
    "clarity-conflict-resolver": ClarityConflictResolver;
    "clarity-failed-operations": ClarityFailedOperations;
    "clarity-storage": ClarityStorage;
    "clarity-sync-details": ClaritySyncDetails;
    "clarity-sync-progress": ClaritySyncProgress;
    "clarity-sync-status": ClaritySyncStatus;
    "clarity-waiting-changes": ClarityWaitingChanges;
  }
}

customElements.define("clarity-activity", ClarityActivity);
customElements.define("clarity-conflict-inbox", ClarityConflictInbox);
customElements.define("clarity-conflict-resolver", ClarityConflictResolver);
customElements.define("clarity-failed-operations", ClarityFailedOperations);
customElements.define("clarity-storage", ClarityStorage);
customElements.define("clarity-sync-details", ClaritySyncDetails);
customElements.define("clarity-sync-progress", ClaritySyncProgress);
customElements.define("clarity-sync-status", ClaritySyncStatus);
customElements.define("clarity-waiting-changes", ClarityWaitingChanges);
