import { block, button, byId, setText } from "./dom.js";

/**
 * Asks before something that cannot be taken back. Focus starts at "Cancel" and returns to where it was.
 * @param {{title: string, text: string, yes: string, isDangerous?: boolean}} question
 * @returns {Promise<boolean>}
 */
export function confirm({ title, text, yes, isDangerous = true }) {
  const dialog = byId("confirm-dialog", HTMLDialogElement);
  const accept = button("confirm-yes");
  setText(block("confirm-title"), title);
  setText(block("confirm-text"), text);
  setText(accept, yes);
  accept.classList.toggle("btn-danger", isDangerous);
  return new Promise((resolve) => {
    let answer = false;
    accept.onclick = () => {
      answer = true;
      dialog.close();
    };
    button("confirm-no").onclick = () => dialog.close();
    dialog.addEventListener("close", () => resolve(answer), { once: true });
    dialog.showModal();
  });
}

/** @param {"settings-dialog" | "shortcuts-dialog"} id @param {() => void} [onClose] */
export function openDialog(id, onClose) {
  const dialog = byId(id, HTMLDialogElement);
  if (dialog.open) return;
  if (onClose) dialog.addEventListener("close", onClose, { once: true });
  dialog.showModal();
}
