/**
 * Where tiles go. Pure: numbers in, rectangles out; all lengths in CSS pixels.
 *
 * @typedef {{x: number, y: number, width: number, height: number}} Rect
 * @typedef {{rects: Rect[], height: number, fit: number}} Arrangement
 *   `height`: of all rows together, more than the area when it has to scroll; `fit`: how many are visible without
 */

const WIDE = 16 / 9;
export const GAP = 10;

/** Limits of a tile by the shape of its area: upright areas (phones) may cut more off the sides of a picture. */
function limits(/** @type {number} */ width, /** @type {number} */ height) {
  const upright = height > width;
  return {
    minRatio: upright ? 3 / 4 : 4 / 3,
    minWidth: upright ? 130 : 120,
    minHeight: upright ? 96 : 72,
    cutCost: upright ? 0.25 : 0.5,
  };
}

/**
 * @param {number} count
 * @param {number} columns
 * @param {number} width
 * @param {number} height
 * @param {number} gap
 */
function tileSize(count, columns, width, height, gap) {
  const rows = Math.ceil(count / columns);
  const cellWidth = (width - gap * (columns - 1)) / columns;
  const cellHeight = (height - gap * (rows - 1)) / rows;
  if (cellWidth <= 0 || cellHeight <= 0) return null;
  const tileWidth = Math.min(cellWidth, cellHeight * WIDE);
  return { rows, width: tileWidth, height: Math.min(cellHeight, tileWidth / limits(width, height).minRatio) };
}

/**
 * The grid whose tiles show the most picture: as large as possible, 16:9 where there is room, cut where it helps.
 * When tiles would become too small for a face, they keep a size and the area scrolls.
 * @param {number} count
 * @param {number} width
 * @param {number} height
 * @param {number} [gap]
 * @returns {Arrangement}
 */
export function arrangeGrid(count, width, height, gap = GAP) {
  if (count <= 0 || width <= 0 || height <= 0) return { rects: [], height: 0, fit: 0 };
  const { minWidth, minHeight, cutCost } = limits(width, height);
  let best = null;
  for (let columns = 1; columns <= count; columns++) {
    const size = tileSize(count, columns, width, height, gap);
    if (!size) continue;
    const shown = Math.min(1, size.width / size.height / WIDE);
    const score = size.width * size.height * shown ** cutCost;
    if (!best || score > best.score * 1.001) best = { ...size, columns, score };
  }
  if (!best || (count > 1 && (best.width < minWidth || best.height < minHeight))) {
    return scrollingGrid(count, width, height, gap, Math.min(minWidth, width));
  }
  return { rects: place(count, best.columns, best.width, best.height, width, height, gap), height, fit: count };
}

/** @param {number} count @param {number} width @param {number} height @param {number} gap @param {number} minWidth @returns {Arrangement} */
function scrollingGrid(count, width, height, gap, minWidth) {
  const columns = Math.min(count, Math.max(1, Math.floor((width + gap) / (minWidth + gap))));
  const tileWidth = (width - gap * (columns - 1)) / columns;
  // On an upright phone a little of the next row shows that there is more.
  const tileHeight = tileWidth / (height > width ? 1.15 : 4 / 3);
  const rows = Math.ceil(count / columns);
  const total = rows * tileHeight + (rows - 1) * gap;
  const visibleRows = Math.max(1, Math.floor((height + gap) / (tileHeight + gap)));
  return {
    rects: place(count, columns, tileWidth, tileHeight, width, Math.max(total, height), gap),
    height: Math.max(total, height),
    fit: Math.min(count, visibleRows * columns),
  };
}

/**
 * Rows of equal tiles, the whole in the middle, a last row that is not full in the middle too.
 * @param {number} count @param {number} columns @param {number} tileWidth @param {number} tileHeight
 * @param {number} width @param {number} height @param {number} gap
 * @returns {Rect[]}
 */
function place(count, columns, tileWidth, tileHeight, width, height, gap) {
  const rows = Math.ceil(count / columns);
  const top = (height - rows * tileHeight - (rows - 1) * gap) / 2;
  return Array.from({ length: count }, (_, index) => {
    const row = Math.floor(index / columns);
    const inRow = row === rows - 1 ? count - row * columns : columns;
    const left = (width - inRow * tileWidth - (inRow - 1) * gap) / 2;
    return {
      x: left + (index % columns) * (tileWidth + gap),
      y: top + row * (tileHeight + gap),
      width: tileWidth,
      height: tileHeight,
    };
  });
}

/**
 * One large picture (a shared screen, a speaker) and a strip of others: beside it in a wide area, below it in an upright one.
 * @param {number} count tiles of the strip
 * @param {number} width
 * @param {number} height
 * @param {number} [gap]
 * @returns {{stage: Rect, strip: Rect[]}} `strip` may be shorter than `count`: what does not fit is not shown
 */
export function arrangeStage(count, width, height, gap = GAP) {
  if (count <= 0 || width <= 0 || height <= 0) return { stage: { x: 0, y: 0, width, height }, strip: [] };
  return width > height * 1.15 ? stripBeside(count, width, height, gap) : stripBelow(count, width, height, gap);
}

/** @param {number} count @param {number} width @param {number} height @param {number} gap */
function stripBeside(count, width, height, gap) {
  const one = Math.min(220, Math.max(110, width * 0.17));
  const fitting = (/** @type {number} */ tileHeight) => Math.max(1, Math.floor((height + gap) / (tileHeight + gap)));
  const isDouble = count > fitting(one / WIDE) && width > 700;
  const columns = isDouble ? 2 : 1;
  const tileWidth = isDouble ? Math.max(124, one * 0.72) : one;
  // Two narrow columns are cut at the sides, so that face and name both have room.
  const tileHeight = Math.min(isDouble ? tileWidth / (4 / 3) : tileWidth / WIDE, height);
  const shown = Math.min(count, fitting(tileHeight) * columns);
  const rows = Math.ceil(shown / columns);
  const left = width - columns * tileWidth - (columns - 1) * gap;
  const top = (height - rows * tileHeight - (rows - 1) * gap) / 2;
  const strip = Array.from({ length: shown }, (_, index) => ({
    x: left + (index % columns) * (tileWidth + gap),
    y: top + Math.floor(index / columns) * (tileHeight + gap),
    width: tileWidth,
    height: tileHeight,
  }));
  return { stage: { x: 0, y: 0, width: Math.max(0, left - gap), height }, strip };
}

/** @param {number} count @param {number} width @param {number} height @param {number} gap */
function stripBelow(count, width, height, gap) {
  // A wide screen on an upright phone needs no more height than this; faces get the rest.
  const stageHeight = Math.min(Math.max(width * 0.72, height * 0.42), height * 0.68);
  const rest = height - stageHeight - gap;
  const strip = facesBelow(count, width, rest, stageHeight, gap);
  return {
    stage: { x: 0, y: 0, width, height: stageHeight },
    strip: strip.map((rect) => ({ ...rect, y: rect.y + stageHeight + gap })),
  };
}

/** @param {number} count @param {number} width @param {number} height @param {number} stageHeight @param {number} gap @returns {Rect[]} */
function facesBelow(count, width, height, stageHeight, gap) {
  const grid = arrangeGrid(count, width, count === 1 ? Math.min(height, stageHeight * 0.8) : height, gap);
  if (grid.fit === count) return grid.rects;
  const columns = Math.max(1, Math.min(count, Math.floor((width + gap) / (104 + gap))));
  const rows = Math.max(1, Math.min(Math.ceil(count / columns), Math.floor((height + gap) / (78 + gap))));
  const shown = Math.min(count, rows * columns);
  const tileWidth = (width - gap * (columns - 1)) / columns;
  const tileHeight = Math.min((height - gap * (rows - 1)) / rows, tileWidth);
  return place(shown, columns, Math.min(tileWidth, tileHeight * WIDE), tileHeight, width, height, gap);
}

/**
 * The same order, except that those who speak are among the first `fit`: each changes places with the last visible
 * one who does not. Others stay where they are, so that the page is calm.
 * @param {string[]} ids
 * @param {number} fit
 * @param {string[]} speakers
 * @returns {string[]}
 */
export function bringForward(ids, fit, speakers) {
  const order = [...ids];
  for (const speaker of speakers) {
    const from = order.indexOf(speaker);
    if (from < fit) continue;
    for (let to = fit - 1; to >= 0; to--) {
      if (speakers.includes(order[to])) continue;
      [order[to], order[from]] = [order[from], order[to]];
      break;
    }
  }
  return order;
}
