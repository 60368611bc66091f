/**
 * Single keys while nobody types: m v h r c p ? and Escape (the list is in the shortcuts dialog).
 */

/** @type {Record<string, string>} key → action of ui/controls.js */
const KEYS = { m: "mic", v: "camera", h: "hand", r: "react", c: "chat", p: "people", "?": "shortcuts" };

/**
 * @param {Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "repeat" | "isComposing">} event
 * @param {Element | null} focus where the keys go
 * @returns {string | null} the action, null when the key is not ours
 */
export function actionOf(event, focus) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return null;
  if (focus?.matches("input, textarea, select, [contenteditable='true']")) return null;
  if (focus?.closest("dialog[open], [popover]")) return null;
  return KEYS[event.key.toLowerCase()] ?? null;
}

/** @param {(action: string) => void} run @param {() => void} onEscape nothing of the browser's own is open */
export function initKeyboard(run, onEscape) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented) return;
    const isCovered = document.querySelector("dialog[open], [popover]:popover-open") !== null;
    if (event.key === "Escape" && !isCovered && !event.isComposing) {
      onEscape();
      return;
    }
    const action = isCovered ? null : actionOf(event, document.activeElement);
    if (!action) return;
    event.preventDefault();
    run(action);
  });
}
