/**
 * What is done about a fault of our own connections, and when: one step at a time, each after what came before had its
 * time. The server asks for a key frame and subscribes anew in the first seconds; then it is the browser's turn.
 *
 * @typedef {"none" | "one" | "all"} Extent nothing is amiss · one source stays away · everything does, so the path is suspected
 * @typedef {"restart" | "reconnect"} Step ICE restart of both connections · a new generation of them
 */

/** Milliseconds since the fault was named. @type {Record<"one" | "all", {step: Step, after: number}[]>} */
const STEPS = {
  // A new path does not help one source alone, and new connections disturb all the others: late, and once.
  one: [{ step: "reconnect", after: 20_000 }],
  all: [
    { step: "restart", after: 4_000 },
    { step: "reconnect", after: 8_000 },
  ],
};
const STEP_PAUSE = 3_000;
const PAUSE = 45_000;
const LONGEST_PAUSE = 600_000;

export class Ladder {
  /** @type {number | null} */
  #since = null;
  #taken = 0;
  #steppedAt = -Infinity;
  #pausedUntil = -Infinity;
  #pause = PAUSE;

  /**
   * @param {Extent} extent
   * @param {number} now milliseconds
   * @returns {Step | null} to be taken now
   */
  climb(extent, now) {
    if (extent === "none") {
      this.#since = null;
      this.#taken = 0;
      if (now >= this.#pausedUntil) this.#pause = PAUSE;
      return null;
    }
    this.#since ??= now;
    if (now < this.#pausedUntil || now - this.#steppedAt < STEP_PAUSE) return null;
    const next = STEPS[extent][this.#taken];
    if (!next || now - this.#since < next.after) return null;
    this.#steppedAt = now;
    this.#taken++;
    if (next.step === "reconnect") {
      // When it does not help, the fault is elsewhere: try less and less.
      this.#pausedUntil = now + this.#pause;
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      this.#since = null;
      this.#taken = 0;
    }
    return next.step;
  }
}
