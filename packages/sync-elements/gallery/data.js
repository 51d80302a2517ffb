// What the gallery shows. All of it is made up.

const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const NAMES = { BloodPressure: "Blood pressure, 2 Nov 2026", Weight: "Weight, 3 Nov 2026, 07:10" };

/** How the app of the gallery names things. */
export const describer = {
  entity: ({ type }) => NAMES[type],
  value: (type, field, value) => (field === "kilograms" ? `${value} kg` : undefined),
  isCritical: (type) => type === "BloodPressure",
};

const conflict = (conflict, type, now, other) => ({
  conflict,
  type,
  id: `entity-${conflict}`,
  opened_at: now - 20 * MINUTE_MS,
  fields: [],
  deleted_by: null,
  local_version: 3,
  local_changed_at: now - 103 * MINUTE_MS,
  server_version: 4,
  server_changed_at: now - 72 * MINUTE_MS,
  mark: { server_version: 4, last_operation: 7 },
  ...other,
});
export const conflicts = (now) => [
  conflict(1, "Weight", now, {
    fields: [
      { field: "kilograms", base: 78.4, local: 78.2, server: 87.2 },
      { field: "note", base: "after a run", local: "after the run", server: "in the morning" },
      { field: "tags", local: ["home"], server: ["home", "scale"] },
    ],
  }),
  conflict(2, "BloodPressure", now, {
    fields: [
      { field: "systolic", base: 120, local: 124, server: 118 },
      { field: "diastolic", base: 80, local: 82, server: 79 },
    ],
  }),
  conflict(3, "BloodPressure", now, {
    fields: [
      { field: "systolic", base: 121, local: 125, server: 119 },
      { field: "diastolic", base: 81, local: 83, server: 78 },
    ],
  }),
  conflict(4, "Weight", now, {
    deleted_by: "server",
    fields: [{ field: "kilograms", base: 78.4, local: 78.9 }],
  }),
];

const operation = (operation, now, other) => ({
  operation,
  type: "Weight",
  id: `weight-${operation}`,
  kind: "update",
  fields: ["kilograms"],
  batch: null,
  made_at: now - operation * 9 * MINUTE_MS,
  status: "pending",
  taken_back: false,
  attempts: 0,
  first_sent_at: null,
  next_attempt_at: null,
  ...other,
});
export const queue = (now) => [
  operation(3, now, { status: "in_progress", kind: "create" }),
  operation(4, now, { attempts: 3, next_attempt_at: now + 12_000, fields: ["kilograms", "note"] }),
  operation(5, now, { kind: "delete" }),
];

const failure = (number, now) => ({
  ...operation(number, now, { status: "failed", type: "BloodPressure", kind: "create" }),
  reason: "invalid",
  code: "measured_in_the_future",
  message: "The date is in the future.",
  failed_at: now - 8 * MINUTE_MS,
  differences: [],
  dependents: [],
});
export const failed = (now) => [failure(11, now), failure(12, now)];

/** What discarding the second one would lose. */
export const preview = {
  ends: [],
  queues: [],
  entities: [
    {
      type: "BloodPressure",
      id: "weight-12",
      shown_before: true,
      shown_after: true,
      in_conflict: false,
      fields: [
        { field: "diastolic", before: 80, after: null },
        { field: "note", before: "after the run", after: null },
      ],
    },
  ],
};

export const storage = (isFull) => ({
  file_bytes: 61_000_000,
  unused_bytes: 2_000_000,
  log_bytes: 1_400_000,
  settings: {
    budget_bytes: isFull ? 50_000_000 : 200_000_000,
    age_ms: null,
    free_disk_min_bytes: 20_000_000,
    store_bytes_max: null,
  },
  live_bytes: 59_000_000,
  over_budget: isFull,
  full: isFull,
  types: [
    { type: "Sample", priority: "normal", entities: 36_100, bytes: 57_300_000, evicted: 12_000 },
    { type: "Weight", priority: "high", entities: 412, bytes: 820_000, evicted: 0 },
    { type: "Note", priority: "high", entities: 18, bytes: null, evicted: 0 },
  ],
  protected: [
    { why: "unsynced", count: 3 },
    { why: "conflict", count: 1 },
  ],
  evicted_total: 12_000,
  evicted_bytes_total: 19_000_000,
  months: [],
  evictions: [],
});

export const events = (now) => [
  { at: now - 2 * MINUTE_MS, kind: "synced", sent: 3, received: 41, duration_ms: 1_900 },
  { at: now - 20 * MINUTE_MS, kind: "conflicts", count: 2 },
  { at: now - 31 * MINUTE_MS, kind: "failed", count: 1 },
  { at: now - 44 * MINUTE_MS, kind: "error", message: "The server did not answer." },
];

const lost = (history, now, other) => ({
  history,
  type: "Weight",
  id: "weight-1",
  at: now - history * DAY_MS,
  cause: "resolved",
  operation: 7,
  fields: { kilograms: 87.2 },
  removed: [],
  undone_by: null,
  obstacle: null,
  ...other,
});
export const history = (now) => [
  lost(2, now, { cause: "superseded", obstacle: "The entry was deleted meanwhile." }),
  lost(1, now, {}),
];

export const progress = {
  run: 3,
  over: false,
  completed: 12_400,
  total: 36_100,
  bytes_sent: 12_000,
  bytes_received: 4_100_000,
  operation: "Getting records",
  last_error: null,
};
