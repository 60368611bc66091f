/**
 * Initials and colours of people, the same as `portal/faces.py` gives on the server.
 */

export const HUES = 8;

const IDEOGRAPH = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u;
const LETTER_OR_DIGIT = /[\p{L}\p{N}]/u;

/**
 * One or two characters: "Jonas Okafor" → "JO", "You" → "YO", "王伟" → "王", "" → "?".
 * @param {string} name
 * @returns {string}
 */
export function initials(name) {
  const words = name.normalize("NFC").split(/\s+/u).map((word) => [...word].filter((c) => LETTER_OR_DIGIT.test(c)));
  const told = words.filter((letters) => letters.length > 0);
  if (told.length === 0) return "?";
  const first = told[0][0];
  if (IDEOGRAPH.test(first)) return first;
  if (told.length === 1) return told[0].slice(0, 2).join("").toUpperCase();
  const last = told[told.length - 1][0];
  return (IDEOGRAPH.test(last) ? first : first + last).toUpperCase();
}

/**
 * A colour number from 1 to HUES for `.hue-N` (32-bit FNV-1a over the UTF-8 bytes).
 * @param {string} key
 * @returns {number}
 */
export function hue(key) {
  let digest = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(key.normalize("NFC").trim())) {
    digest = Math.imul(digest ^ byte, 0x01000193) >>> 0;
  }
  return ((digest ^ (digest >>> 16)) >>> 0) % HUES + 1;
}

/**
 * The same element as `{% avatar person %}`.
 * @param {string} name
 * @param {string} [size] "", "l" or "xl"
 * @returns {HTMLSpanElement}
 */
export function createAvatar(name, size = "") {
  const face = document.createElement("span");
  face.className = `avatar hue-${hue(name)}${size ? ` avatar-${size}` : ""}`;
  face.title = name;
  face.setAttribute("aria-hidden", "true");
  face.textContent = initials(name);
  return face;
}
