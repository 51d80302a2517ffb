// The worker of a phone of the lab: the product's own, behind a network that can be broken.

import "./faults.js";
import "@clarity/sync/worker";
