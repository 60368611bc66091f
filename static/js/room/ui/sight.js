/**
 * Which tiles are really in sight, and how large: hidden ones, scrolled-out ones and those of a hidden page are not.
 *
 * @typedef {{element: HTMLElement, width: number, height: number, isVisible: boolean, isKnown: boolean}} Spot sizes in CSS pixels;
 *   `isKnown`: the browser has said whether it is in sight
 */

/** A page that is hidden for a moment only, while one looks something up, keeps its pictures. */
const AWAY_AFTER = 2_000;
/** Just below the edge counts, so that scrolling does not meet black tiles. */
const MARGIN = "120px 0px";

export class Sight {
  /** @type {Map<Element, Spot>} */
  #spots = new Map();
  #isAway = document.hidden;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /**
   * @param {HTMLElement} root what scrolls
   * @param {() => void} onChange may come often
   */
  constructor(root, onChange) {
    this.onChange = onChange;
    this.sizes = new ResizeObserver((entries) => this.#onSizes(entries));
    this.crossings = new IntersectionObserver((entries) => this.#onCrossings(entries), { root, rootMargin: MARGIN });
    document.addEventListener("visibilitychange", () => this.#onPage());
  }

  /** @param {HTMLElement} element */
  add(element) {
    this.#spots.set(element, { element, width: 0, height: 0, isVisible: false, isKnown: false });
    this.sizes.observe(element);
    this.crossings.observe(element);
  }

  /** @param {HTMLElement} element */
  remove(element) {
    this.sizes.unobserve(element);
    this.crossings.unobserve(element);
    if (this.#spots.delete(element)) this.onChange();
  }

  /** @param {HTMLElement} element */
  isSeen(element) {
    return this.#spots.get(element)?.isVisible ?? false;
  }

  /** Whether `seen` is the truth: a tile that was just made is not seen yet, and will be in a moment. */
  get isSettled() {
    return this.#isAway || [...this.#spots.values()].every(({ isKnown }) => isKnown);
  }

  /** What is seen now; of a hidden page only a picture that floats above other windows. @returns {Spot[]} */
  get seen() {
    const seen = [...this.#spots.values()].filter(({ isVisible, width, height }) => isVisible && width > 0 && height > 0);
    if (!this.#isAway) return seen;
    const floating = document.pictureInPictureElement;
    return floating ? seen.filter(({ element }) => element.contains(floating)) : [];
  }

  /** @param {ResizeObserverEntry[]} entries */
  #onSizes(entries) {
    for (const { target, contentRect } of entries) {
      const spot = this.#spots.get(target);
      if (spot) Object.assign(spot, { width: contentRect.width, height: contentRect.height });
    }
    this.onChange();
  }

  /** @param {IntersectionObserverEntry[]} entries */
  #onCrossings(entries) {
    for (const { target, isIntersecting } of entries) {
      const spot = this.#spots.get(target);
      if (spot) Object.assign(spot, { isVisible: isIntersecting, isKnown: true });
    }
    this.onChange();
  }

  #onPage() {
    clearTimeout(this.#timer);
    if (document.hidden) this.#timer = setTimeout(() => this.#setAway(true), AWAY_AFTER);
    else this.#setAway(false);
  }

  /** @param {boolean} isAway */
  #setAway(isAway) {
    if (isAway === this.#isAway) return;
    this.#isAway = isAway;
    this.onChange();
  }
}
