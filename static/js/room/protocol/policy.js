/**
 * When to try again after the connection was lost: quickly at first, then at a steady pace, without giving up.
 * Replace `RECONNECT` by another object with `delay(attempt)` to change it everywhere.
 */
export class ReconnectPolicy {
  /**
   * @param {{steps?: number[], steady?: number, jitter?: number, random?: () => number}} [options]
   *   `steps` and `steady` in milliseconds; `jitter` is the share of a delay that chance may add, so that a whole
   *   class does not return in the same instant
   */
  constructor({ steps = [0, 300, 1200, 2700, 4800], steady = 7000, jitter = 0.2, random = Math.random } = {}) {
    this.steps = steps;
    this.steady = steady;
    this.jitter = jitter;
    this.random = random;
  }

  /**
   * @param {number} attempt 0 for the first try after the loss
   * @returns {number} milliseconds to wait before it
   */
  delay(attempt) {
    const base = this.steps[attempt] ?? this.steady;
    return Math.round(base * (1 + this.jitter * this.random()));
  }
}

export const RECONNECT = new ReconnectPolicy();
