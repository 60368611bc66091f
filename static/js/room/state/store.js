/**
 * Holds one state and tells who listens when it changed. Changes of one task are told once.
 * @template S
 * @template A
 */
export class Store {
  /** @type {Set<(state: S, before: S) => void>} */
  #listeners = new Set();
  #told;
  #scheduled = false;
  /** @type {Promise<unknown> | null} */
  #held = null;

  /**
   * @param {(state: S, action: A) => S} reduce returns the same object when nothing changed
   * @param {S} initial
   * @param {{schedule?: (task: () => void) => void}} [options]
   */
  constructor(reduce, initial, { schedule = (task) => queueMicrotask(task) } = {}) {
    this.reduce = reduce;
    this.state = initial;
    this.#told = initial;
    this.schedule = schedule;
  }

  /** @param {A} action */
  dispatch(action) {
    this.state = this.reduce(this.state, action);
    if (this.state === this.#told || this.#scheduled) return;
    this.#scheduled = true;
    if (this.#held) this.#held.finally(() => this.#tell());
    else this.schedule(() => this.#tell());
  }

  /** Tells nobody until then: there is something more urgent to do. @param {Promise<unknown>} until must not reject */
  hold(until) {
    this.#held = until;
    until.then(() => {
      if (this.#held === until) this.#held = null;
    });
  }

  /**
   * @param {(state: S, before: S) => void} listener
   * @returns {() => void} takes it off again
   */
  subscribe(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Calls `listener` when what `select` gives is another value than before, and once now.
   * @template T
   * @param {(state: S) => T} select a pure function; the same part of the state must give the same value
   * @param {(value: T, state: S) => void} listener
   * @returns {() => void}
   */
  watch(select, listener) {
    let value = select(this.state);
    listener(value, this.state);
    return this.subscribe((state) => {
      const next = select(state);
      if (Object.is(next, value)) return;
      value = next;
      listener(value, state);
    });
  }

  #tell() {
    this.#scheduled = false;
    const before = this.#told;
    if (this.state === before) return;
    this.#told = this.state;
    for (const listener of [...this.#listeners]) listener(this.state, before);
  }
}
