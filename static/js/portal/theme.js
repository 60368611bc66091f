/**
 * The theme switch. "system" follows the computer; a choice is kept in this browser.
 * @typedef {"light" | "dark" | "system"} Theme
 */

const KEY = "plenum.theme";

/** @returns {Theme} */
export function chosenTheme() {
  const theme = document.documentElement.dataset.theme;
  return theme === "light" || theme === "dark" ? theme : "system";
}

/** @returns {"light" | "dark"} what is on the screen now */
export function shownTheme() {
  const chosen = chosenTheme();
  if (chosen !== "system") return chosen;
  return matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
}

/** @param {Theme} theme */
export function chooseTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  try {
    if (theme === "system") localStorage.removeItem(KEY);
    else localStorage.setItem(KEY, theme);
  } catch {
    // Storage is blocked: the choice holds for this page only.
  }
  showChoice();
}

function showChoice() {
  const chosen = chosenTheme();
  for (const button of document.querySelectorAll("[data-theme-choice]")) {
    button.setAttribute("aria-pressed", String(button.getAttribute("data-theme-choice") === chosen));
  }
}

export function initTheme() {
  showChoice();
  document.addEventListener("click", (event) => {
    const target = /** @type {Element} */ (event.target);
    const choice = target.closest("[data-theme-choice]")?.getAttribute("data-theme-choice");
    if (choice) chooseTheme(/** @type {Theme} */ (choice));
    else if (target.closest("[data-theme-toggle]")) chooseTheme(shownTheme() === "dark" ? "light" : "dark");
  });
}
