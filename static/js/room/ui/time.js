/** Times in words. All take the language of the page; pure. */

/** "3:05", "1:02:03". @param {number} milliseconds */
export function clock(milliseconds) {
  const total = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes, seconds] = [Math.floor(total / 3600), Math.floor(total / 60) % 60, total % 60];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(seconds)}` : `${two(minutes)}:${two(seconds)}`;
}

/** "10:21" where the reader is. @param {string} iso @param {string} language @param {string} [zone] */
export function timeOfDay(iso, language, zone) {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return "";
  const format = new Intl.DateTimeFormat(language, { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone || undefined });
  return format.format(date);
}

/** "412 KB", "3.1 MB". @param {number} bytes @param {string} language */
export function fileSize(bytes, language) {
  const units = ["B", "KB", "MB", "GB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  const digits = unit > 0 && value < 10 ? 1 : 0;
  return `${new Intl.NumberFormat(language, { maximumFractionDigits: digits }).format(value)} ${units[unit]}`;
}

/** Whole minutes until then, 0 when it is past. @param {string} iso @param {number} now */
export function minutesLeft(iso, now) {
  const left = Date.parse(iso) - now;
  return Number.isNaN(left) ? 0 : Math.max(0, Math.ceil(left / 60_000));
}
