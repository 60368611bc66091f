import { initCopy } from "./copy.js";
import { initDialogs } from "./dialog.js";
import { initTimes } from "./localtime.js";
import { initMenus } from "./menu.js";
import { initTheme } from "./theme.js";

initTheme();
initMenus();
initDialogs();
initCopy();
initTimes();
