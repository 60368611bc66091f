/**
 * Compares what should arrive with what does. A picture that stays away is named on its tile; when every picture
 * stays away although the connection claims to be well, the connection is made anew.
 *
 * @typedef {{participant: string, packets: number}} Count packets of a camera that arrived so far
 */

const NAMED_AFTER = 6_000;
const HEALED_AFTER = 12_000;
const HEAL_PAUSE = 45_000;
const LONGEST_PAUSE = 600_000;

export class Watchdog {
  /** @type {Map<string, {packets: number, since: number}>} */
  #seen = new Map();
  #healedAt = -Infinity;
  #pause = HEAL_PAUSE;

  /**
   * @param {Count[]} counts one for each participant whose camera should be seen
   * @param {number} now milliseconds
   * @returns {{stalled: Record<string, boolean>, heal: boolean}}
   */
  look(counts, now) {
    /** @type {Map<string, {packets: number, since: number}>} */
    const seen = new Map();
    for (const { participant, packets } of counts) {
      const before = this.#seen.get(participant);
      const isSame = before !== undefined && before.packets === packets;
      if (before && !isSame) this.#pause = HEAL_PAUSE;
      seen.set(participant, isSame ? before : { packets, since: now });
    }
    this.#seen = seen;
    const silent = (/** @type {number} */ limit) => [...seen].filter(([, { since }]) => now - since >= limit);
    const heal = seen.size > 0 && silent(HEALED_AFTER).length === seen.size && now - this.#healedAt >= this.#pause;
    if (heal) {
      // When it does not help, the fault is elsewhere: try less and less.
      if (this.#healedAt > 0) this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      this.#healedAt = now;
      this.#seen = new Map();
    }
    return { stalled: Object.fromEntries(silent(NAMED_AFTER).map(([id]) => [id, true])), heal };
  }

  /** After a new connection all counts begin anew. */
  forget() {
    this.#seen.clear();
  }
}

/**
 * Packets received for each video track, by the track's id.
 * @param {RTCStatsReport} report of the subscribe connection
 * @returns {Map<string, number>}
 */
export function packetsByTrack(report) {
  const counts = new Map();
  for (const entry of report.values()) {
    if (entry.type === "inbound-rtp" && entry.kind === "video") counts.set(entry.trackIdentifier, entry.packetsReceived ?? 0);
  }
  return counts;
}
