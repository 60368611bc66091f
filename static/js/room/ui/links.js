/**
 * Finds web addresses in what people write. Only http and https become links, so that nothing else can be clicked into.
 * @typedef {{text: string, url: string | null}} Piece
 */

const ADDRESS = /\bhttps?:\/\/[^\s<>"'\u3000-\u303f\uff00-\uffef]+/giu;
const TAIL = /[.,;:!?…)\]}]+$/u;

/**
 * @param {string} text
 * @returns {Piece[]} in order; joined, their texts are `text`
 */
export function piecesOf(text) {
  /** @type {Piece[]} */
  const pieces = [];
  let at = 0;
  for (const match of text.matchAll(ADDRESS)) {
    const found = withoutTail(match[0]);
    if (!isWebAddress(found)) continue;
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), url: null });
    pieces.push({ text: found, url: found });
    at = match.index + found.length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), url: null });
  return pieces;
}

/** A full stop or a closing bracket at the end belongs to the sentence, unless the bracket was opened inside. @param {string} address */
function withoutTail(address) {
  let short = address;
  while (TAIL.test(short)) {
    const last = short.at(-1);
    if (last === ")" && short.split("(").length >= short.split(")").length) break;
    short = short.slice(0, -1);
  }
  return short;
}

/** @param {string} text */
function isWebAddress(text) {
  try {
    const { protocol, hostname } = new URL(text);
    return (protocol === "https:" || protocol === "http:") && hostname !== "";
  } catch {
    return false; // looks like an address and is none
  }
}
