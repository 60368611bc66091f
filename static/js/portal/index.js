import { initCopy } from "./copy.js";
import { initDialogs } from "./dialog.js";
import { initTimes } from "./localtime.js";
import { initTheme } from "./theme.js";

initTheme();
initDialogs();
initCopy();
initTimes();
