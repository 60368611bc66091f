/**
 * Gathers who reacted how, so that a class that applauds is read out as one sentence and not as thirty. Pure.
 *
 * @typedef {{reaction: string, names: string[]}} Group in the order of the first of each
 */

export class Tally {
  /** Reaction → names, each once. @type {Map<string, Set<string>>} */
  #groups = new Map();

  /** @param {string} reaction @param {string} name @returns {boolean} whether it is the first since the last `take` */
  add(reaction, name) {
    const isFirst = this.#groups.size === 0;
    const names = this.#groups.get(reaction) ?? new Set();
    this.#groups.set(reaction, names.add(name));
    return isFirst;
  }

  /** @returns {Group[]} all since the last time */
  take() {
    const groups = [...this.#groups].map(([reaction, names]) => ({ reaction, names: [...names] }));
    this.#groups.clear();
    return groups;
  }
}
