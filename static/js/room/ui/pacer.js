/**
 * Lets something that changes all the time out at an even pace: the newest of each interval, and the last one always.
 * @template T
 */
export class Pacer {
  /** @type {{value: T} | null} */
  #waiting = null;
  #sentAt = -Infinity;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {(value: T) => void} send
   * @param {() => number} interval milliseconds
   */
  constructor(send, interval) {
    this.send = send;
    this.interval = interval;
  }

  /** @param {T} value */
  push(value) {
    this.#waiting = { value };
    if (this.#timer !== undefined) return;
    const wait = this.#sentAt + this.interval() - Date.now();
    if (wait <= 0) this.#flush();
    else this.#timer = setTimeout(() => this.#flush(), wait);
  }

  /** What waits is not sent any more. */
  drop() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#waiting = null;
  }

  #flush() {
    const waiting = this.#waiting;
    this.drop();
    if (!waiting) return;
    this.#sentAt = Date.now();
    this.send(waiting.value);
  }
}
