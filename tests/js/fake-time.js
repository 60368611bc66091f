/**
 * Time that a test moves by hand. Node's own mock timers know `Date` only from version 20 on, and Debian 12 has 18.
 */

/** @typedef {{at: number, order: number, run: () => void, every: number | null}} Timer */

const names = /** @type {const} */ (["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"]);
const real = Object.fromEntries(names.map((name) => [name, globalThis[name]]));

let now = 0;
let count = 0;
/** @type {Map<number, Timer>} */
const timers = new Map();

/** @param {number | null} every @returns {(run: (...args: unknown[]) => void, wait?: number, ...args: unknown[]) => number} */
const setter = (every) => (run, wait = 0, ...args) => {
  count += 1;
  const pause = Math.max(1, wait);
  timers.set(count, { at: now + (every === null ? wait : pause), order: count, run: () => run(...args), every: every === null ? null : pause });
  return count;
};
/** @param {number} id */
const clear = (id) => void timers.delete(id);

class FakeDate extends Date {
  /** @param {any[]} args */
  constructor(...args) {
    super(...(/** @type {[]} */ (args.length ? args : [now])));
  }

  static now() {
    return now;
  }
}

export const time = {
  /** Stop the real clock; the fake one stands at 0. */
  install() {
    now = 0;
    timers.clear();
    Object.assign(globalThis, {
      setTimeout: setter(null), clearTimeout: clear, setInterval: setter(0), clearInterval: clear, Date: FakeDate,
    });
  },

  restore() {
    Object.assign(globalThis, real);
  },

  /** Move on by `milliseconds`, running what becomes due, in order. @param {number} milliseconds */
  tick(milliseconds) {
    const end = now + milliseconds;
    for (;;) {
      const due = [...timers].filter(([, timer]) => timer.at <= end);
      const next = due.sort(([, a], [, b]) => a.at - b.at || a.order - b.order)[0];
      if (!next) break;
      const [id, timer] = next;
      now = Math.max(now, timer.at);
      if (timer.every === null) timers.delete(id);
      else timer.at += timer.every;
      timer.run();
    }
    now = end;
  },
};
