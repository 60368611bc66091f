/**
 * A typed list of listeners: `on(name, listener)` returns what takes it off again.
 * @template {Record<string, unknown>} Events name → what its listeners are given
 */
export class Emitter {
  /** @type {Map<keyof Events, Set<(data: any) => void>>} */
  #listeners = new Map();

  /**
   * @template {keyof Events} K
   * @param {K} name
   * @param {(data: Events[K]) => void} listener
   * @returns {() => void}
   */
  on(name, listener) {
    const known = this.#listeners.get(name) ?? new Set();
    known.add(listener);
    this.#listeners.set(name, known);
    return () => known.delete(listener);
  }

  /**
   * @template {keyof Events} K
   * @param {K} name
   * @param {Events[K]} data
   */
  emit(name, data) {
    for (const listener of [...(this.#listeners.get(name) ?? [])]) listener(data);
  }
}
