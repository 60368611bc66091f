/**
 * Where on a picture something points, independent of how large it is shown. Pure; lengths in CSS pixels.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {{x: number, y: number}} Point 0 to 1 across and down the picture
 */

/**
 * The part of a box that a picture covers when it is shown whole (`object-fit: contain`).
 * @param {number} width of the box
 * @param {number} height
 * @param {number} pictureWidth in any unit; 0 while unknown
 * @param {number} pictureHeight
 * @returns {Rect}
 */
export function pictureRect(width, height, pictureWidth, pictureHeight) {
  if (!(pictureWidth > 0 && pictureHeight > 0)) return { x: 0, y: 0, width, height };
  const scale = Math.min(width / pictureWidth, height / pictureHeight);
  const [shownWidth, shownHeight] = [pictureWidth * scale, pictureHeight * scale];
  return { x: (width - shownWidth) / 2, y: (height - shownHeight) / 2, width: shownWidth, height: shownHeight };
}

/**
 * @param {number} x within the box
 * @param {number} y
 * @param {Rect} rect of the picture in the box
 * @returns {Point | null} null beside the picture
 */
export function pointAt(x, y, rect) {
  if (!(rect.width > 0 && rect.height > 0)) return null;
  const point = { x: (x - rect.x) / rect.width, y: (y - rect.y) / rect.height };
  return isPoint(point) ? point : null;
}

/** @param {any} value @returns {value is Point} */
export function isPoint(value) {
  return [value?.x, value?.y].every((part) => typeof part === "number" && part >= 0 && part <= 1);
}

/** Rounded to what a large screen can show, so that messages stay short. @param {Point} point @returns {Point} */
export function roundPoint({ x, y }) {
  const round = (/** @type {number} */ value) => Math.round(Math.min(1, Math.max(0, value)) * 10_000) / 10_000;
  return { x: round(x), y: round(y) };
}
