import { createIcon } from "./icon.js";

/**
 * Adds to agenda rows: a button for one more, and on each row "up" and "remove". Enter goes on to the next row
 * instead of sending the form.
 * @param {HTMLElement} root `[data-agenda]`
 */
export function initAgenda(root) {
  const limit = Number(root.dataset.limit ?? 50);
  const blank = /** @type {HTMLElement} */ (root.querySelector("[data-agenda-row]:last-child")?.cloneNode(true));
  const more = button("btn", gettext("Add an item"), "plus");
  more.append(gettext("Add an item"));
  more.removeAttribute("aria-label");

  /** @param {HTMLElement} row */
  function dress(row) {
    const tools = document.createElement("div");
    tools.className = "agenda-tools";
    const up = button("btn btn-quiet btn-icon", gettext("Move up"), "arrow-up");
    up.dataset.agendaUp = "";
    up.addEventListener("click", () => {
      const before = row.previousElementSibling;
      if (before) before.before(row);
      up.focus();
    });
    const remove = button("btn btn-quiet btn-icon", gettext("Remove this item"), "x");
    remove.addEventListener("click", () => {
      const next = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      if (rows().length === 0) add();
      next?.querySelector("input")?.focus();
    });
    tools.append(up, remove);
    row.append(tools);
  }

  function rows() {
    return /** @type {HTMLElement[]} */ ([...root.querySelectorAll("[data-agenda-row]")]);
  }

  function add() {
    if (rows().length >= limit) return null;
    const row = /** @type {HTMLElement} */ (blank.cloneNode(true));
    dress(row);
    more.before(row);
    return row;
  }

  rows().forEach(dress);
  root.append(more);
  root.dataset.ready = "";
  more.addEventListener("click", () => add()?.querySelector("input")?.focus());
  root.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || !(event.target instanceof HTMLInputElement)) return;
    event.preventDefault();
    const row = event.target.closest("[data-agenda-row]");
    const next = row?.nextElementSibling?.matches("[data-agenda-row]") ? row.nextElementSibling : add();
    next?.querySelector("input")?.focus();
  });
}

/**
 * @param {string} className
 * @param {string} label
 * @param {string} icon
 */
function button(className, label, icon) {
  const element = document.createElement("button");
  element.type = "button";
  element.className = className;
  element.setAttribute("aria-label", label);
  element.title = label;
  element.append(createIcon(icon));
  return element;
}
