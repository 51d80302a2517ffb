/**
 * The texts in English. A text with `one` and `other` is chosen by `{count}`; another language has
 * the categories that its plural rules name.
 */
export const english = {
  "time.now": "just now",
  "chip.label": "Sync status: {states}. Opens details",
  "chip.plain": "Sync status: {states}",
  "chip.more": { one: "{count} more thing to look at", other: "{count} more things to look at" },
  "list.capped": "{count}+",

  "damaged.chip": "Repair needed",
  "damaged.headline": "The local database needs repair",
  "damaged.body": {
    one: "Nothing has been deleted. {count} change was not yet uploaded.",
    other: "Nothing has been deleted. {count} changes were not yet uploaded.",
  },
  "damaged.spoken": "The local database needs repair. Nothing has been deleted.",

  "storage-full.chip": "Storage full",
  "storage-full.headline": "No space left on this device",
  "storage-full.body": "New entries can’t be saved until space is free.",
  "storage-full.spoken": "Storage full. New entries can’t be saved until space is free.",

  "auth-required.chip": "Sign in to sync",
  "auth-required.headline": "Please sign in again",
  "auth-required.body": {
    one: "{count} change is safe on this device and will upload after sign-in.",
    other: "{count} changes are safe on this device and will upload after sign-in.",
  },
  "auth-required.spoken": "Please sign in again. Changes are safe on this device.",

  "access-removed.chip": "Access removed",
  "access-removed.headline": "This device was removed from your account",
  "access-removed.body": {
    one: "{count} change was not uploaded. It is still on this device.",
    other: "{count} changes were not uploaded. They are still on this device.",
  },
  "access-removed.spoken": "This device was removed from your account.",

  "upgrade-required.chip": "Update needed",
  "upgrade-required.headline": "Update to keep syncing",
  "upgrade-required.body": "You can keep adding entries.",
  "upgrade-required.spoken": "Update the app to keep syncing. You can keep adding entries.",

  "failed.chip": { one: "{count} change not sent", other: "{count} changes not sent" },
  "failed.headline": {
    one: "{count} change could not be uploaded",
    other: "{count} changes could not be uploaded",
  },
  "failed.body": "It stays on this device until you decide what to do.",
  "failed.spoken": {
    one: "{count} change could not be uploaded and needs a look.",
    other: "{count} changes could not be uploaded and need a look.",
  },

  "conflicts.chip": { one: "{count} to review", other: "{count} to review" },
  "conflicts.headline": {
    one: "{count} entry was changed in two places",
    other: "{count} entries were changed in two places",
  },
  "conflicts.body": "Both versions are kept until you choose.",
  "conflicts.spoken": {
    one: "{count} entry was changed in two places. Both versions are kept.",
    other: "{count} entries were changed in two places. Both versions are kept.",
  },

  "storage-low.chip": "Storage low",
  "storage-low.headline": "{free} left for this app",
  "storage-low.body": "Free some space, so that new entries can be saved.",
  "storage-low.spoken": "Storage is low. {free} left for this app.",

  "not-persistent.chip": "Data at risk",
  "not-persistent.headline": "The browser may delete offline data",
  "not-persistent.body": {
    one: "Install the app or allow storage to keep {count} unsent change safe.",
    other: "Install the app or allow storage to keep {count} unsent changes safe.",
  },
  "not-persistent.spoken": "The browser may delete offline data. Allow storage to keep it.",

  "captive-portal.chip": "Wi-Fi sign-in",
  "captive-portal.headline": "This Wi-Fi needs sign-in",
  "captive-portal.body": "We got a web page instead of our server.",
  "captive-portal.spoken": "This Wi-Fi needs sign-in. Changes are saved on this device.",

  "server-unreachable.chip": "Can’t reach server",
  "server-unreachable.headline": "Can’t reach the server",
  "server-unreachable.body": {
    one: "{next} {count} change saved here.",
    other: "{next} {count} changes saved here.",
  },
  "server-unreachable.spoken": "Can’t reach the server. Changes are saved on this device.",

  "clock-wrong.chip": "Check clock",
  "clock-wrong.headline": "This device’s clock is about {offset} off",
  "clock-wrong.body": "The order of changes is still kept.",
  "clock-wrong.spoken": "This device’s clock is about {offset} off.",

  "paused.chip": "Paused",
  "paused.headline": "Sync is paused",
  "paused.metered": "Waiting for a network that doesn’t cost by volume.",
  "paused.until": "Until {until}.",
  "paused.body": "Until you resume it.",
  "paused.spoken": "Sync is paused.",

  "offline.chip": "Offline · {count}",
  "offline.chip.empty": "Offline · data from {at}",
  "offline.chip.never": "Offline",
  "offline.headline": "You’re offline",
  "offline.body": {
    one: "{count} change saved on this device. It’ll upload when you’re back online.",
    other: "{count} changes saved on this device. They’ll upload when you’re back online.",
  },
  "offline.body.empty": "Everything you add is saved on this device.",
  "offline.spoken": "Offline. Changes are saved on this device.",

  "first-sync.chip": "Setting up {part}",
  "first-sync.chip.unknown": "Setting up",
  "first-sync.headline": "Getting your data",
  "first-sync.body": "{done} of {total} records. You can use the app meanwhile.",
  "first-sync.body.eta": "{done} of {total} records, about {eta}. You can use the app meanwhile.",
  "first-sync.body.unknown": "You can use the app meanwhile.",
  "first-sync.spoken": "Getting your data. You can use the app meanwhile.",

  "syncing.chip": "Syncing {done}/{total}",
  "syncing.chip.unknown": "Syncing",
  "syncing.headline": "Syncing",
  "syncing.headline.up": { one: "Uploading {count} change", other: "Uploading {count} changes" },
  "syncing.headline.down": { one: "Getting {count} change", other: "Getting {count} changes" },
  "syncing.body": "{done} of {total}",
  "syncing.spoken": "Syncing.",
  "syncing.spoken.up": { one: "Syncing {count} change.", other: "Syncing {count} changes." },
  "syncing.spoken.back": "Back online, syncing.",
  "syncing.spoken.back.up": {
    one: "Back online, syncing {count} change.",
    other: "Back online, syncing {count} changes.",
  },

  "pending.chip": { one: "{count} waiting", other: "{count} waiting" },
  "pending.chip.old": {
    one: "{count} waiting · oldest {age}",
    other: "{count} waiting · oldest {age}",
  },
  "pending.chip.held": "Waiting for you",
  "pending.chip.checking": "Checking",
  "pending.headline": { one: "{count} change waiting", other: "{count} changes waiting" },
  "pending.headline.held": "Waiting for your decision",
  "pending.headline.checking": "Checking for changes",
  "pending.body": "Saved on this device.",
  "pending.body.next": "Saved on this device. {next}",
  "pending.body.old": "Saved on this device. The oldest is {age} old. {next}",
  "pending.body.held": "What you decide is then sent.",
  "pending.body.checking": "The server is asked whether there is anything new.",
  "pending.spoken": {
    one: "{count} change waiting, saved on this device.",
    other: "{count} changes waiting, saved on this device.",
  },
  "pending.spoken.held": "Something waits for your decision.",
  "pending.spoken.checking": "Checking for changes.",

  "open-elsewhere.chip": "Open elsewhere",
  "open-elsewhere.headline": "Syncing in another tab",
  "open-elsewhere.body": "This browser can have the app open in one tab at a time.",
  "open-elsewhere.spoken": "The app is open in another tab.",

  "source-stale.chip": "Source not read",
  "source-stale.headline": "{source} last read {ago}",
  "source-stale.body": "Import it again, or reconnect it.",
  "source-stale.spoken": "{source} was last read {ago}.",

  "update-ready.chip": "New version",
  "update-ready.headline": "A new version is ready",
  "update-ready.body": "Unsaved form text is kept.",
  "update-ready.spoken": "A new version of the app is ready.",

  "synced.chip": "Up to date",
  "synced.headline": "Up to date · {ago}",
  "synced.body": "Last checked {at}.",
  "synced.spoken": "Up to date.",

  "local.chip": "On this device",
  "local.headline": "Saved on this device only",
  "local.body": "Sign in to have it on your other devices, too.",
  "local.spoken": "Saved on this device only.",

  "starting.chip": "Starting",
  "starting.headline": "Opening your data",
  "starting.body": "This takes a moment.",
  "starting.spoken": "Opening your data.",

  "next.at": "Next try in {wait}.",
  "next.again": "Trying again in {wait}.",
  "next.soon": "Trying again soon.",

  "progress.label": "Progress of the sync",
  "progress.value": { one: "{done} of {count} record", other: "{done} of {count} records" },
  "progress.unknown": "Under way",
  "progress.finishing": "Finishing",
  "progress.spoken.start": "{label}: started.",
  "progress.spoken.part": "{label}: {part}.",
  "progress.spoken.end": "{label}: done.",
} as const;
