/**
 * Which sizes and rates of a picture are sent at once (simulcast), by the size that is captured. Pure.
 *
 * A connection fixes the number and the names (RIDs) of its layers before any device is open, so all are offered and
 * those that do not fit are switched off. Names go by height: q about 180, h about 360, f about 720 lines; each is the
 * next lower one's double. The browser starts as many layers, from the first, as the captured size is worth to it, so a
 * layer that is left out is always the last.
 *
 * @import { Source } from "../types.js"
 * @typedef {{width: number, height: number}} Size pixels
 * @typedef {Record<string, boolean>} Mask rid ("" for a lone one) → somebody watches it; what is not named counts as watched
 * @typedef {{active: boolean, scaleResolutionDownBy: number, maxBitrate: number, maxFramerate: number}} Layer
 */

/** Bits a second that are enough for the layer, lowest first. */
const CAMERA = [
  { rid: "q", maxBitrate: 150_000 },
  { rid: "h", maxBitrate: 500_000 },
  { rid: "f", maxBitrate: 1_700_000 },
];
/** A slow line gets few sharp frames: what is written on a slide stays legible (about 40 kbit a frame). */
const SCREEN = [
  { rid: "h", maxBitrate: 400_000, maxFramerate: 5 },
  { rid: "f", maxBitrate: 2_500_000, maxFramerate: 15 },
];
const CAMERA_RATE = 30;
/** Longest side that is sent; more costs the sender's processor more than it shows. */
const LARGEST = { camera: 1280, screen: 2560 };
const SMALL_SCREEN = 1280;
/** Pixels from which the browser encodes three and two layers (libwebrtc's table: 960×540 and 480×270). */
const THREE_FROM = 960 * 540;
const TWO_FROM = 480 * 270;
/** What is assumed while the device does not tell. @type {Record<"camera" | "screen", Size>} */
const USUAL = { camera: { width: 1280, height: 720 }, screen: { width: 1920, height: 1080 } };

/** @type {Record<"mic" | "screen_audio", RTCRtpEncodingParameters>} */
const AUDIO = {
  mic: { maxBitrate: 48_000, priority: "high", networkPriority: "high" },
  screen_audio: { maxBitrate: 96_000, priority: "medium", networkPriority: "medium" },
};

/** @param {Source} source @returns {source is "camera" | "screen"} */
export function isPicture(source) {
  return source === "camera" || source === "screen";
}

/**
 * What a line is opened with, before its device is known.
 * @param {Source} source
 * @param {{isLayered: boolean}} options false: the other side takes one size alone
 * @returns {RTCRtpEncodingParameters[]}
 */
export function firstEncodings(source, { isLayered }) {
  if (!isPicture(source)) return [{ ...AUDIO[source] }];
  const rids = isLayered ? tableOf(source).map(({ rid }) => rid) : [""];
  // Temporal layers would cost quality, and nothing on the way drops them.
  return planLayers(source, USUAL[source], rids, {}).map((layer, index) => ({
    ...(isLayered ? { rid: rids[index] } : {}),
    ...layer,
    scalabilityMode: "L1T1",
  }));
}

/**
 * @param {"camera" | "screen"} source
 * @param {Partial<Size>} size what is captured now
 * @param {string[]} rids the encodings the connection has, lowest first; one alone, "", is the full picture
 * @param {Mask} watched
 * @returns {Layer[]} one for each of `rids`
 */
export function planLayers(source, { width, height }, rids, watched) {
  const size = width && height ? { width, height } : USUAL[source];
  const sent = planSizes(source, size, rids.length);
  return sent.map((layer, index) => ({ ...layer, active: layer.active && (watched[rids[index]] ?? true) }));
}

/** @param {"camera" | "screen"} source @param {Size} size @param {number} count @returns {Layer[]} */
function planSizes(source, size, count) {
  const longest = Math.max(size.width, size.height);
  const base = Math.max(1, longest / LARGEST[source]);
  if (count === 1) return [{ active: true, ...ratesOf(source, tableOf(source).length - 1), scaleResolutionDownBy: base }];
  const fitting = Math.min(count, layersWorth(size));
  return Array.from({ length: count }, (_, index) => {
    const below = fitting - 1 - index;
    const isSent = below >= 0;
    return { active: isSent, ...ratesOf(source, index), scaleResolutionDownBy: isSent ? scale(source, longest, base, below) : 1 };
  });
}

/** @param {"camera" | "screen"} source */
function tableOf(source) {
  return source === "camera" ? CAMERA : SCREEN;
}

/** @param {"camera" | "screen"} source @param {number} index */
function ratesOf(source, index) {
  const layer = source === "camera" ? { ...CAMERA[index], maxFramerate: CAMERA_RATE } : SCREEN[index];
  return { maxBitrate: layer.maxBitrate, maxFramerate: layer.maxFramerate };
}

/** @param {"camera" | "screen"} source @param {number} longest @param {number} base @param {number} below how many layers under the largest */
function scale(source, longest, base, below) {
  if (below === 0) return base;
  return source === "camera" ? base * 2 ** below : Math.max(1.5, longest / SMALL_SCREEN);
}

/** @param {Size} size */
function layersWorth({ width, height }) {
  const pixels = width * height;
  if (pixels >= THREE_FROM) return 3;
  return pixels >= TWO_FROM ? 2 : 1;
}
