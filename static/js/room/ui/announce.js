import { createIcon } from "../../portal/icon.js";
import { block, h } from "./dom.js";

/**
 * Short messages: read out by screen readers, and shown as toasts where eyes need them too.
 * @typedef {{label: string, run: () => void, primary?: boolean}} ToastAction
 */

/** @param {string} text @param {{now?: boolean}} [options] `now` interrupts what is being read */
export function say(text, { now = false } = {}) {
  const region = block(now ? "say-now" : "say-politely");
  const line = h("p", {}, text);
  region.append(line);
  setTimeout(() => line.remove(), 10_000);
}

/**
 * @param {string} text
 * @param {{icon?: string, kind?: "info" | "warning" | "error", seconds?: number, key?: string, actions?: ToastAction[]}} [options]
 *   `seconds` 0: stays until closed; a toast with the same `key` is replaced
 * @returns {() => void} closes it
 */
export function toast(text, { icon = "info", kind = "info", seconds = 6, key = "", actions = [] } = {}) {
  const host = block("toasts");
  if (key) host.querySelector(`[data-key="${CSS.escape(key)}"]`)?.remove();
  const element = h("div", { class: `toast toast-${kind}`, "data-key": key || null });
  const close = () => element.remove();
  const buttons = actions.map(({ label, run, primary }) =>
    h("button", {
      class: `btn btn-small${primary ? " btn-primary" : ""}`,
      type: "button",
      click: () => {
        close();
        run();
      },
    }, label),
  );
  const dismiss = h("button", { class: "btn btn-quiet btn-icon btn-small", type: "button", "aria-label": gettext("Close"), click: close }, createIcon("x", "s"));
  const words = h("div", { class: "message-text" }, h("span", {}, text), buttons.length ? h("div", { class: "toast-actions" }, ...buttons) : null);
  element.append(createIcon(icon), words, dismiss);
  host.append(element);
  if (seconds > 0) setTimeout(close, seconds * 1000);
  return close;
}
