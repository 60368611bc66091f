/**
 * Times for the reader: `<time datetime="…" data-local-time="time|date|datetime|relative">`.
 * The server writes signed-in people's times in their own zone (`<html data-time-zone>`), so those stay;
 * for people without account the browser's zone is the right one. "relative" is kept fresh for everybody.
 */

/** @type {Record<string, Intl.DateTimeFormatOptions>} */
const SHAPES = {
  time: { hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
  date: { day: "numeric", month: "short", year: "numeric" },
  datetime: { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" },
};

const STEPS = /** @type {const} */ ([["day", 86400], ["hour", 3600], ["minute", 60]]);

/**
 * "in 8 minutes", "2 days ago"; below a minute "now".
 * @param {Date} then
 * @param {Date} now
 * @param {string} language
 * @returns {string}
 */
export function relativeTime(then, now, language) {
  const seconds = (then.getTime() - now.getTime()) / 1000;
  const format = new Intl.RelativeTimeFormat(language, { numeric: "auto", style: "short" });
  for (const [unit, size] of STEPS) {
    if (Math.abs(seconds) >= size) return format.format(Math.round(seconds / size), unit);
  }
  return format.format(0, "second");
}

/** The reader's zone, "Europe/Berlin". */
export function readerZone() {
  return document.documentElement.dataset.timeZone || Intl.DateTimeFormat().resolvedOptions().timeZone;
}

/** @param {ParentNode} root */
export function showTimes(root = document) {
  const { lang, dataset } = document.documentElement;
  for (const element of root.querySelectorAll("time[data-local-time]")) {
    const style = element.getAttribute("data-local-time") ?? "";
    const then = new Date(element.getAttribute("datetime") ?? "");
    if (Number.isNaN(then.getTime())) continue;
    if (style === "relative") element.textContent = relativeTime(then, new Date(), lang);
    else if (!dataset.timeZone && SHAPES[style]) {
      element.textContent = new Intl.DateTimeFormat(lang, SHAPES[style]).format(then);
    }
  }
}

/** Fills `<input type="hidden" data-browser-zone>` and selects the browser's zone in `<select data-browser-zone>`. */
function offerZone() {
  for (const field of document.querySelectorAll("[data-browser-zone]")) {
    if ((field instanceof HTMLInputElement || field instanceof HTMLSelectElement) && !field.value) {
      field.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
    }
  }
}

export function initTimes() {
  offerZone();
  showTimes();
  setInterval(showTimes, 20_000, document);
}
