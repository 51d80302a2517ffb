import "./lab.js";
import { applyTheme } from "../theme.js";

applyTheme();
