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

// A form that came back: at its first mistake, which may be far below. Scripts have dressed the fields by then.
document.addEventListener("DOMContentLoaded", () => {
  const wrong = [...document.querySelectorAll("main form[method='post'] [aria-invalid='true']")].find((field) => field.checkVisibility());
  if (wrong instanceof HTMLElement) wrong.focus();
});
