// Where the app begins: its look first, then its store, then its screens.

import "./app.js";
import { awaitOffer } from "./installing.js";
import { openStore } from "./store.js";
import { applyTheme } from "./theme.js";
import { keepUpToDate } from "./update.js";

applyTheme();
keepUpToDate();
awaitOffer();
void openStore();
