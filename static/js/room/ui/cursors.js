import { hue } from "../../portal/faces.js";
import { createIcon } from "../../portal/icon.js";
import { pictureRect } from "./geometry.js";
import { h, setText } from "./dom.js";

/**
 * The pointers of people over one shared screen; each fades when it rests.
 * @import { Point } from "./geometry.js"
 * @typedef {{element: HTMLElement, label: HTMLElement, timer: ReturnType<typeof setTimeout> | undefined}} Cursor
 */

const RESTS = 2_000;
/** Pixels that a name takes beside its arrow, at most. */
const NAME_WIDTH = 190;

export class Cursors {
  /** By participant id. @type {Map<string, Cursor>} */
  #cursors = new Map();
  /** Of the picture, in pixels. */
  #width = 0;

  /**
   * @param {HTMLElement} host lies over the picture's box
   * @param {HTMLVideoElement} video the picture
   * @param {{onEmpty?: () => void}} [options] the last pointer has faded
   */
  constructor(host, video, { onEmpty = () => {} } = {}) {
    this.video = video;
    this.onEmpty = onEmpty;
    this.area = h("div", { class: "cursors", "aria-hidden": "true" });
    host.append(this.area);
    new ResizeObserver(() => this.#fit()).observe(host);
    video.addEventListener("resize", () => this.#fit());
  }

  /** The area lies exactly over the picture, so that pointers are placed by percent. */
  #fit() {
    const { clientWidth, clientHeight } = this.video;
    const rect = pictureRect(clientWidth, clientHeight, this.video.videoWidth, this.video.videoHeight);
    const { style } = this.area;
    this.#width = rect.width;
    for (const [name, value] of Object.entries({ left: rect.x, top: rect.y, width: rect.width, height: rect.height })) style.setProperty(name, `${value}px`);
  }

  /** @param {string} id @param {string} name whose colour it has @param {Point} point @param {string} [words] what is written at it */
  put(id, name, { x, y }, words = name) {
    const cursor = this.#cursors.get(id) ?? this.#add(id);
    clearTimeout(cursor.timer);
    cursor.timer = setTimeout(() => this.remove(id), RESTS);
    setText(cursor.label, words);
    const { classList, style } = cursor.element;
    for (let number = 1; number <= 8; number++) classList.toggle(`hue-${number}`, number === hue(name));
    classList.toggle("cursor-left", x > 0.5 && (1 - x) * this.#width < NAME_WIDTH); // the name stays on the picture
    style.setProperty("left", `${x * 100}%`);
    style.setProperty("top", `${y * 100}%`);
  }

  /** @param {string} id */
  #add(id) {
    this.#fit();
    const label = h("span", { class: "cursor-name" });
    const element = h("div", { class: "cursor" }, createIcon("mouse-pointer-2"), label);
    this.area.append(element);
    /** @type {Cursor} */
    const cursor = { element, label, timer: undefined };
    this.#cursors.set(id, cursor);
    return cursor;
  }

  /** @param {string} id */
  remove(id) {
    const cursor = this.#cursors.get(id);
    if (!cursor) return;
    clearTimeout(cursor.timer);
    this.#cursors.delete(id);
    cursor.element.classList.add("cursor-gone");
    setTimeout(() => cursor.element.remove(), 300);
    if (this.#cursors.size === 0) this.onEmpty();
  }
}
