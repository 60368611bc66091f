/**
 * Keeps "Starts in 8 min" true and opens the door in time: `[data-starts][data-ends][data-opens]` with
 * `[data-countdown]`, `[data-join]` and `[data-early]` inside.
 */

const MINUTE = 60_000;

/**
 * What the badge of a meeting says, the same as `meetings/scheduling/words.py`; "" leaves it as the server wrote it.
 * @param {number} starts milliseconds
 * @param {number} now milliseconds
 * @returns {string}
 */
export function startsIn(starts, now) {
  const left = Math.ceil((starts - now) / MINUTE);
  if (left <= 0) return gettext("It is time");
  if (left < 60) return interpolate(ngettext("Starts in %s min", "Starts in %s min", left), [left]);
  return "";
}

/**
 * @param {HTMLElement} card
 * @param {number} now
 */
function refresh(card, now) {
  const [starts, ends, opens] = ["starts", "ends", "opens"].map((key) => Date.parse(card.dataset[key] ?? ""));
  const badge = card.querySelector("[data-countdown]");
  const words = startsIn(starts, now);
  if (badge && words) badge.textContent = words;
  if (now < opens || now >= ends) return;
  for (const early of card.querySelectorAll("[data-early]")) /** @type {HTMLElement} */ (early).hidden = true;
  for (const join of card.querySelectorAll("[data-join]")) /** @type {HTMLElement} */ (join).hidden = false;
}

function refreshAll() {
  for (const card of document.querySelectorAll("[data-starts]")) refresh(/** @type {HTMLElement} */ (card), Date.now());
}

refreshAll();
setInterval(refreshAll, 10_000);
