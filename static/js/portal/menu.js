/**
 * Menus are popovers and open without any script. `.menu-anchored` ones are placed beside the button that
 * opened them, as not every browser has CSS anchors; they stay inside the window.
 */

const GAP = 6;
const EDGE = 8;

/**
 * @param {HTMLElement} menu
 * @param {Element} button
 */
function place(menu, button) {
  const anchor = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const left = Math.min(Math.max(anchor.right - width, EDGE), innerWidth - width - EDGE);
  const below = anchor.bottom + GAP;
  const top = below + height > innerHeight - EDGE ? Math.max(anchor.top - GAP - height, EDGE) : below;
  menu.style.left = `${left}px`;
  menu.style.top = `${top}px`;
}

export function initMenus() {
  document.addEventListener("toggle", (event) => {
    const menu = /** @type {HTMLElement} */ (event.target);
    if (!menu.matches?.(".menu")) return;
    const button = document.querySelector(`[popovertarget="${menu.id}"]`);
    const open = /** @type {ToggleEvent} */ (event).newState === "open";
    button?.setAttribute("aria-expanded", String(open));
    if (open && button && menu.matches(".menu-anchored")) place(menu, button);
  }, true);
}
