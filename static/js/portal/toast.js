import { createIcon } from "./icon.js";

const ICONS = { success: "circle-check", info: "info", warning: "triangle-alert", error: "octagon-alert" };

/**
 * A short word at the edge of the page, read out by screen readers. Errors stay until closed.
 * @param {string} text already translated
 * @param {{kind?: "success" | "info" | "warning" | "error", seconds?: number}} [options]
 * @returns {HTMLElement}
 */
export function showToast(text, { kind = "success", seconds = 5 } = {}) {
  const toast = document.createElement("div");
  toast.className = `toast toast-${kind}`;
  const words = document.createElement("span");
  words.className = "message-text";
  words.textContent = text;
  const close = document.createElement("button");
  close.type = "button";
  close.className = "btn btn-quiet btn-icon btn-small";
  close.setAttribute("aria-label", gettext("Close"));
  close.append(createIcon("x", "s"));
  close.addEventListener("click", () => toast.remove());
  toast.append(createIcon(ICONS[kind]), words, close);
  document.getElementById("toasts")?.append(toast);
  if (kind !== "error") setTimeout(() => toast.remove(), seconds * 1000);
  return toast;
}
