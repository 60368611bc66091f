/**
 * Menus that open at a button: popovers with the keys of the ARIA menu pattern (arrows, Home, End, Escape).
 */

const MARGIN = 8;

/**
 * Opens `menu` above, or when there is no room below, `opener`. On a phone the stylesheet makes a sheet of it.
 * @param {HTMLElement} menu
 * @param {HTMLElement} opener
 */
export function openMenu(menu, opener) {
  if (menu.matches(":popover-open")) {
    menu.hidePopover();
    return;
  }
  menu.showPopover();
  opener.setAttribute("aria-expanded", "true");
  menu.addEventListener("toggle", (event) => {
    if (/** @type {ToggleEvent} */ (event).newState !== "closed") return;
    opener.setAttribute("aria-expanded", "false");
    if (document.activeElement === document.body || menu.contains(document.activeElement)) opener.focus();
  }, { once: true });
  const anchor = opener.getBoundingClientRect();
  const { width, height } = menu.getBoundingClientRect();
  const left = Math.min(Math.max(MARGIN, anchor.left + anchor.width / 2 - width / 2), innerWidth - width - MARGIN);
  const above = anchor.top - height - MARGIN;
  const top = above >= MARGIN ? above : Math.min(anchor.bottom + MARGIN, innerHeight - height - MARGIN);
  menu.style.setProperty("--menu-left", `${Math.max(MARGIN, left)}px`);
  menu.style.setProperty("--menu-top", `${Math.max(MARGIN, top)}px`);
  itemsOf(menu)[0]?.focus();
}

/** @param {HTMLElement} menu @returns {HTMLElement[]} what can be chosen now */
function itemsOf(menu) {
  return [.../** @type {NodeListOf<HTMLElement>} */ (menu.querySelectorAll("[role=menuitem]"))].filter(
    (item) => !item.hidden && item.offsetParent !== null,
  );
}

/**
 * @param {HTMLElement} menu
 * @param {(action: string) => void} onChoose is given the item's `data-action`
 */
export function initMenu(menu, onChoose) {
  menu.addEventListener("click", (event) => {
    const item = /** @type {Element} */ (event.target).closest("[data-action]");
    if (!(item instanceof HTMLElement)) return;
    menu.hidePopover();
    onChoose(item.dataset.action ?? "");
  });
  menu.addEventListener("keydown", (event) => {
    const next = moveBy(itemsOf(menu), event.key, "ArrowUp", "ArrowDown") ?? moveBy(itemsOf(menu), event.key, "ArrowLeft", "ArrowRight");
    if (event.key === "Tab") menu.hidePopover();
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

/**
 * One stop for the Tab key, arrows within (ARIA toolbar and tabs).
 * @param {HTMLElement} group
 * @param {string} selector of the stops
 * @param {(item: HTMLElement) => void} [onMove]
 */
export function initRoving(group, selector, onMove) {
  const stops = () =>
    [.../** @type {NodeListOf<HTMLElement>} */ (group.querySelectorAll(selector))].filter((item) => item.offsetParent !== null);
  group.addEventListener("keydown", (event) => {
    const next = moveBy(stops(), event.key, "ArrowLeft", "ArrowRight");
    if (!next) return;
    event.preventDefault();
    next.focus();
    onMove?.(next);
  });
}

/** @param {HTMLElement[]} items @param {string} key @param {string} back @param {string} forth @returns {HTMLElement | undefined} */
function moveBy(items, key, back, forth) {
  const at = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
  if (key === "Home") return items[0];
  if (key === "End") return items.at(-1);
  if (key === forth) return items[(at + 1) % items.length];
  return key === back ? items.at(at <= 0 ? -1 : at - 1) : undefined;
}
