/** Small helpers to reach and make elements. Text is always put in as text, never as HTML. */
import { createIcon } from "../../portal/icon.js";

/**
 * The element with this id; the template guarantees it.
 * @template {Element} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return element;
}

/** @param {string} id */
export const button = (id) => byId(id, HTMLButtonElement);

/** @param {string} id */
export const block = (id) => byId(id, HTMLElement);

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, string | boolean | ((event: any) => void) | null | undefined>} [properties]
 *   attributes; a function is a listener ("click"); true is an empty attribute; false, null and undefined leave it out
 * @param {(Node | string | null | undefined)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  for (const child of children) if (child !== null && child !== undefined) element.append(child);
  return element;
}

/** Changes the text only when it differs, so that screen readers and selections are left alone. @param {Element} element @param {string} text */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {Element} element @param {string} name @param {string | null} value null takes it away */
export function setAttribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

/** The icon of a button or a badge, changed in place. @param {Element} holder @param {string} name */
export function setIcon(holder, name) {
  const use = holder.querySelector("use");
  const href = `${document.documentElement.dataset.sprite}#${name}`;
  if (use) setAttribute(use, "href", href);
  else holder.prepend(createIcon(name));
}

/**
 * Words with a name that only screen readers need, as the row says it to eyes already.
 * @param {string} format with `%(name)s`
 * @param {string} name
 * @returns {HTMLSpanElement}
 */
export function wordsFor(format, name) {
  const [before, after = ""] = format.split("%(name)s");
  return h("span", {}, before, h("span", { class: "visually-hidden" }, name), after);
}

/** @param {string} format with `%(name)s` @param {Record<string, unknown>} values */
export function fill(format, values) {
  return interpolate(format, values, true);
}
