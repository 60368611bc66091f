/**
 * Dialogs and forms, by attributes:
 * `<button data-dialog="id">` opens `<dialog id="id">` modally, `[data-dialog-close]` inside closes it;
 * `<form data-submit-once>` (and every form in a dialog) is sent once, however often its button is pressed;
 * `<form data-autosubmit>` is sent when one of its fields changes (filters).
 */

/** @param {Event} event */
function onClick(event) {
  const target = /** @type {Element} */ (event.target);
  const opener = target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.getAttribute("data-dialog") ?? "");
    if (dialog instanceof HTMLDialogElement && !dialog.open) dialog.showModal();
    return;
  }
  if (target.closest("[data-dialog-close]")) target.closest("dialog")?.close();
  else if (target instanceof HTMLDialogElement && target.open) target.close(); // the backdrop
}

/** @param {SubmitEvent} event */
function onSubmit(event) {
  const form = /** @type {HTMLFormElement} */ (event.target);
  if (!form.matches("[data-submit-once], dialog form")) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("aria-disabled", "true");
}

/** A page taken from the back/forward cache may be sent again. */
function onShow() {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete /** @type {HTMLFormElement} */ (form).dataset.sent;
    form.querySelector("[aria-disabled]")?.removeAttribute("aria-disabled");
  }
}

export function initDialogs() {
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  addEventListener("pageshow", onShow);
  document.addEventListener("change", (event) => {
    const form = /** @type {Element} */ (event.target).closest("form[data-autosubmit]");
    if (form instanceof HTMLFormElement) form.requestSubmit();
  });
}
