import { showToast } from "./toast.js";

/**
 * Copies by the clipboard API, or by a selection where that is not to be had (plain HTTP in a local network).
 * @param {string} text
 * @returns {Promise<boolean>} whether it worked
 */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch (error) {
      console.warn("clipboard refused, trying a selection", error);
    }
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/** `<button data-copy="text">`, with the word to change in `[data-copy-label]`. */
export function initCopy() {
  document.addEventListener("click", async (event) => {
    const button = /** @type {Element} */ (event.target).closest("[data-copy]");
    if (!button) return;
    if (!(await copyText(button.getAttribute("data-copy") ?? ""))) {
      showToast(gettext("Copying was refused by the browser. Select the text and copy it by hand."), { kind: "warning" });
      return;
    }
    const label = button.querySelector("[data-copy-label]");
    showToast(gettext("Copied"), { seconds: 2 });
    if (!label) return;
    const before = label.textContent;
    label.textContent = gettext("Copied");
    setTimeout(() => { label.textContent = before; }, 2000);
  });
}
