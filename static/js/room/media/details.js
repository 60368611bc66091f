/**
 * What a person may want to know of their own connection, from two measurements. Pure.
 *
 * @import { Source, OutStat, InStat, Limit } from "../types.js"
 * @import { Measurement, Way } from "./stats.js"
 * @typedef {{width: number, height: number}} Size
 * @typedef {{source: "camera" | "screen", sizes: Size[], rate: number, limited: Limit}} SentPicture `sizes` that are sent now, smallest first
 * @typedef {{participant: string, source: Source, width: number, height: number, rate: number}} ReceivedPicture
 * @typedef {object} Details
 * @property {Way | null} way
 * @property {number | null} roundTrip milliseconds
 * @property {number} sending bit/s, all together
 * @property {number} receiving
 * @property {number | null} lostOut share of the sent packets that did not arrive, 0 to 1
 * @property {number | null} lostIn
 * @property {SentPicture[]} sent
 * @property {ReceivedPicture[]} received the largest first
 */

/**
 * @param {Measurement} before
 * @param {Measurement} now of the same connections
 * @returns {Details}
 */
export function detailsOf(before, now) {
  const seconds = Math.max(0.001, (now.at - before.at) / 1000);
  const rate = (/** @type {number} */ from, /** @type {number} */ to) => Math.max(0, Math.round(((to - from) * 8) / seconds));
  const sentBefore = new Map(before.publish.map((stat) => [outKey(stat), stat]));
  const gotBefore = new Map(before.subscribe.map((stat) => [inKey(stat), stat]));
  const path = now.paths.out ?? now.paths.in;
  const received = now.subscribe
    .filter(({ source, packets }) => (source === "camera" || source === "screen") && packets > 0)
    .map((stat) => {
      const { participant, source, width, height, bytes } = stat;
      return { participant, source, width, height, rate: rate(gotBefore.get(inKey(stat))?.bytes ?? bytes, bytes) };
    })
    .filter(({ rate: flowing }) => flowing > 0);
  return {
    way: path?.way ?? null,
    roundTrip: path?.roundTrip ?? now.publish.find(({ round_trip_ms: ms }) => ms !== null)?.round_trip_ms ?? null,
    sending: sum(now.publish, (stat) => rate(sentBefore.get(outKey(stat))?.bytes ?? 0, stat.bytes)),
    receiving: sum(now.subscribe, (stat) => rate(gotBefore.get(inKey(stat))?.bytes ?? stat.bytes, stat.bytes)),
    lostOut: share(now.uplink.lost - before.uplink.lost, now.uplink.sent - before.uplink.sent),
    lostIn: lossOf(gotBefore, now.subscribe),
    sent: /** @type {const} */ (["camera", "screen"]).flatMap((source) => sentPicture(source, sentBefore, now.publish, rate)),
    received: received.sort((a, b) => b.width * b.height - a.width * a.height || b.rate - a.rate),
  };
}

/**
 * @param {"camera" | "screen"} source
 * @param {Map<string, OutStat>} before
 * @param {OutStat[]} now
 * @param {(from: number, to: number) => number} rate
 * @returns {SentPicture[]} one, or none when nothing of it is sent
 */
function sentPicture(source, before, now, rate) {
  const layers = now.filter((stat) => stat.source === source && stat.frames > (before.get(outKey(stat))?.frames ?? 0));
  if (layers.length === 0) return [];
  const sizes = layers.map(({ width, height }) => ({ width, height })).sort((a, b) => a.width - b.width);
  const limited = layers.find((stat) => stat.limited !== "none")?.limited ?? "none";
  return [{ source, sizes, limited, rate: sum(layers, (stat) => rate(before.get(outKey(stat))?.bytes ?? 0, stat.bytes)) }];
}

/** @param {Map<string, InStat>} before @param {InStat[]} now */
function lossOf(before, now) {
  let [lost, came] = [0, 0];
  for (const stat of now) {
    const known = before.get(inKey(stat));
    if (!known) continue;
    lost += Math.max(0, stat.lost - known.lost);
    came += Math.max(0, stat.packets - known.packets);
  }
  return share(lost, lost + came);
}

/** @param {number} lost @param {number} all @returns {number | null} null when nothing was on its way */
function share(lost, all) {
  return all > 0 ? Math.min(1, Math.max(0, lost / all)) : null;
}

/** @template T @param {T[]} list @param {(item: T) => number} value */
function sum(list, value) {
  return list.reduce((total, item) => total + value(item), 0);
}

/** @param {OutStat} stat */
function outKey({ source, rid }) {
  return `${source} ${rid ?? ""}`;
}

/** @param {InStat} stat */
function inKey({ participant, source }) {
  return `${participant} ${source}`;
}
