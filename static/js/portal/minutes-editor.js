/**
 * The editor of minutes: rows are added, removed and moved without a request. The form is a Django formset
 * (`<prefix>-TOTAL_FORMS`, `<prefix>-<n>-ORDER`, `<prefix>-<n>-DELETE`), so what is sent is the same with and
 * without this script. Leaving with unsaved text asks first.
 */

/**
 * A name or id of the empty row with its number in it: "notes-__prefix__-text" → "notes-3-text".
 * @param {string} text
 * @param {number} number
 */
export function numbered(text, number) {
  return text.replaceAll("__prefix__", String(number));
}

/**
 * The field of a row whose name ends in `-ending`.
 * @param {Element} row
 * @param {string} ending
 * @returns {HTMLInputElement | null}
 */
function fieldOf(row, ending) {
  return row.querySelector(`input[name$="-${ending}"]`);
}

export class RowList {
  /** @param {HTMLElement} section with `data-rows` */
  constructor(section) {
    this.section = section;
    this.list = /** @type {HTMLElement} */ (section.querySelector("[data-row-list]"));
    this.template = /** @type {HTMLTemplateElement} */ (section.querySelector("[data-row-template]"));
    this.total = /** @type {HTMLInputElement} */ (section.querySelector('input[name$="-TOTAL_FORMS"]'));
  }

  start() {
    for (const row of this.rows()) this.#prepare(row);
    // Empty rows are for people without scripts.
    for (const row of this.rows()) if (row.hasAttribute("data-row-new") && isBlank(row)) row.classList.add("minutes-row-removed");
    const foot = this.section.querySelector("[data-add-foot]");
    if (foot instanceof HTMLElement) foot.hidden = false;
    this.section.querySelector("[data-row-add]")?.addEventListener("click", () => this.add());
    this.list.addEventListener("click", (event) => this.#onClick(event));
    this.#renumber();
  }

  /** Every row, removed ones too. @returns {HTMLElement[]} */
  rows() {
    return /** @type {HTMLElement[]} */ ([...this.list.querySelectorAll(":scope > [data-row]")]);
  }

  /** Rows one sees. */
  shown() {
    return this.rows().filter((row) => !row.classList.contains("minutes-row-removed"));
  }

  /** Append an empty row and put the cursor into it. */
  add() {
    const number = Number(this.total.value);
    const copy = /** @type {DocumentFragment} */ (this.template.content.cloneNode(true));
    for (const element of copy.querySelectorAll("[name], [id], [for], [aria-describedby]")) {
      for (const attribute of ["name", "id", "for", "aria-describedby"]) {
        const value = element.getAttribute(attribute);
        if (value !== null) element.setAttribute(attribute, numbered(value, number));
      }
    }
    const row = /** @type {HTMLElement} */ (copy.querySelector("[data-row]"));
    this.total.value = String(number + 1);
    this.list.append(copy);
    this.#prepare(row);
    this.#renumber();
    row.dispatchEvent(new Event("input", { bubbles: true }));
    /** @type {HTMLElement | null} */ (row.querySelector("input:not([type=hidden]), textarea"))?.focus();
    return row;
  }

  /** @param {HTMLElement} row */
  remove(row) {
    const field = fieldOf(row, "DELETE");
    if (field) field.checked = true;
    row.classList.add("minutes-row-removed");
    for (const input of row.querySelectorAll("input, textarea, select")) input.removeAttribute("required");
    this.#renumber();
    row.dispatchEvent(new Event("input", { bubbles: true }));
    const next = this.shown().at(-1)?.querySelector("[data-row-remove]") ?? this.section.querySelector("[data-row-add]");
    /** @type {HTMLElement | null} */ (next)?.focus();
  }

  /**
   * @param {HTMLElement} row
   * @param {-1 | 1} step up or down, over removed rows
   */
  move(row, step) {
    const rows = this.shown();
    const other = rows[rows.indexOf(row) + step];
    if (!other) return;
    if (step < 0) other.before(row);
    else other.after(row);
    this.#renumber();
    row.dispatchEvent(new Event("input", { bubbles: true }));
  }

  /** @param {HTMLElement} row */
  #prepare(row) {
    const plain = row.querySelector(".minutes-row-plain");
    if (plain instanceof HTMLElement) plain.hidden = true;
    const buttons = row.querySelector("[data-row-buttons]");
    if (buttons instanceof HTMLElement) buttons.hidden = false;
    // After an error the page comes back with rows that were to be removed.
    if (fieldOf(row, "DELETE")?.checked) row.classList.add("minutes-row-removed");
  }

  #renumber() {
    const shown = this.shown();
    shown.forEach((row, index) => {
      const order = fieldOf(row, "ORDER");
      if (order) order.value = String(index + 1);
      const up = row.querySelector("[data-row-up]");
      const down = row.querySelector("[data-row-down]");
      if (up instanceof HTMLButtonElement) up.disabled = index === 0;
      if (down instanceof HTMLButtonElement) down.disabled = index === shown.length - 1;
    });
  }

  /** @param {Event} event */
  #onClick(event) {
    const button = /** @type {Element} */ (event.target).closest("button");
    const row = /** @type {HTMLElement | null} */ (button?.closest("[data-row]") ?? null);
    if (!button || !row) return;
    if (button.hasAttribute("data-row-remove")) this.remove(row);
    else if (button.hasAttribute("data-row-up") || button.hasAttribute("data-row-down")) {
      this.move(row, button.hasAttribute("data-row-up") ? -1 : 1);
      button.focus();
    }
  }
}

/** @param {Element} row */
function isBlank(row) {
  return [...row.querySelectorAll("input, textarea, select")].every((field) => {
    if (!(field instanceof HTMLInputElement || field instanceof HTMLTextAreaElement || field instanceof HTMLSelectElement)) return true;
    return field.name.endsWith("-ORDER") || (field instanceof HTMLInputElement && field.type === "checkbox") || field.value === "";
  });
}

/** @param {HTMLFormElement} form */
function guardUnsaved(form) {
  let changed = false;
  form.addEventListener("input", () => (changed = true));
  form.addEventListener("submit", () => (changed = false));
  addEventListener("beforeunload", (event) => {
    if (changed) event.preventDefault();
  });
}

function start() {
  const form = document.querySelector("form[data-minutes-editor]");
  if (!(form instanceof HTMLFormElement)) return;
  for (const button of form.querySelectorAll("[data-without-script]")) /** @type {HTMLElement} */ (button).hidden = true;
  for (const section of form.querySelectorAll("[data-rows]")) new RowList(/** @type {HTMLElement} */ (section)).start();
  guardUnsaved(form);
}

if (typeof document !== "undefined") start();
