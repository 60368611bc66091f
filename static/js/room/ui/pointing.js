import { may, me } from "../state/selectors.js";
import { say } from "./announce.js";
import { block, fill, setText } from "./dom.js";
import { Cursors } from "./cursors.js";
import { isPoint, pictureRect, pointAt, roundPoint } from "./geometry.js";
import { Pacer } from "./pacer.js";

/**
 * Pointing at a shared screen: a switch on its tile, then one's mouse, finger or arrow keys are seen by everybody with one's
 * name. Who shares sees the others' pointers in a small copy of the own screen while somebody points.
 *
 * @import { App } from "../app.js"
 * @import { Tile } from "./tile.js"
 * @import { Tiles } from "./tiles.js"
 * @import { Point } from "./geometry.js"
 */

const STEP = 0.02;
const LARGE_STEP = 0.1;
/** @type {Record<string, [number, number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** The small copy stays a little, so that it does not come and go with every pause of a hand. */
const COPY_STAYS = 4_000;
/** Who points is told to a presenter's ears again only after this. */
const SAID_AGAIN = 30_000;

export class Pointing {
  /** The screen one points at, by its owner's id. @type {string | null} */
  #screen = null;
  /** @type {Point} */
  #at = { x: 0.5, y: 0.5 };
  /** @type {WeakMap<Tile, Cursors>} */
  #cursors = new WeakMap();
  /** Participant id → when they were last named. @type {Map<string, number>} */
  #saidAt = new Map();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #copyTimer;

  /** @param {App} app @param {Tiles} tiles */
  constructor(app, tiles) {
    this.app = app;
    this.tiles = tiles;
    this.copy = block("own-screen");
    this.copyVideo = /** @type {HTMLVideoElement} */ (this.copy.querySelector("video"));
    this.copyCursors = new Cursors(this.copy, this.copyVideo, { onEmpty: () => this.#hideCopySoon() });
    const { data } = app.media;
    this.pacer = new Pacer((/** @type {object} */ body) => data.send("cursor", body), () => data.interval);
    data.on("message", ({ from, topic, body }) => {
      if (topic === "cursor" && from !== app.state.you?.id) this.#take(from, body);
    });
    tiles.on("screen", (tile) => this.#wire(tile));
    tiles.on("gone", (tile) => {
      if (tile.participant === this.#screen) this.#stop();
    });
    app.local.on("changed", () => {
      if (!app.local.screenOn) this.#hideCopy();
    });
    app.store.watch((state) => state.you, (_, state) => {
      block("stage").classList.toggle("no-pointing", !may(state, "pointer.show"));
    });
  }

  /** @param {Tile} tile of a shared screen */
  #wire(tile) {
    const { element, point: toggle } = tile;
    toggle.addEventListener("click", () => (this.#screen === tile.participant ? this.#stop() : this.#start(tile)));
    toggle.addEventListener("keydown", (event) => this.#onKey(tile, event));
    element.addEventListener("pointermove", (event) => {
      if (this.#screen === tile.participant && !toggle.contains(/** @type {Node} */ (event.target))) this.#onMove(tile, event);
    });
    element.addEventListener("pointerleave", () => {
      if (this.#screen === tile.participant) this.#leave(tile);
    });
  }

  /** @param {Tile} tile */
  #start(tile) {
    if (this.#screen) this.#stop();
    this.#screen = tile.participant;
    this.#at = { x: 0.5, y: 0.5 };
    tile.setPointing(true);
    say(gettext("Everybody sees where you point. Move the mouse over the screen, or press the arrow keys."));
  }

  #stop() {
    const tile = this.#screen ? this.tiles.tileOf(this.#screen, "screen") : null;
    if (tile) {
      this.#leave(tile);
      tile.setPointing(false);
    }
    this.pacer.drop();
    this.#screen = null;
  }

  /** @param {Tile} tile @param {PointerEvent} event */
  #onMove(tile, event) {
    const box = tile.video.getBoundingClientRect();
    const rect = pictureRect(box.width, box.height, tile.video.videoWidth, tile.video.videoHeight);
    const point = pointAt(event.clientX - box.left, event.clientY - box.top, rect);
    if (point) this.#show(tile, point);
    else this.#leave(tile);
  }

  /** @param {Tile} tile @param {KeyboardEvent} event */
  #onKey(tile, event) {
    if (this.#screen !== tile.participant) return;
    if (event.key === "Escape") {
      event.preventDefault();
      this.#stop();
    }
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    const step = event.shiftKey ? LARGE_STEP : STEP;
    this.#show(tile, roundPoint({ x: this.#at.x + arrow[0] * step, y: this.#at.y + arrow[1] * step }));
  }

  /** @param {Tile} tile @param {Point} point */
  #show(tile, point) {
    this.#at = point;
    this.#cursorsOf(tile).put("you", me(this.app.state)?.name ?? "", point, gettext("You"));
    this.pacer.push({ screen: tile.participant, ...roundPoint(point) });
  }

  /** @param {Tile} tile */
  #leave(tile) {
    this.#cursorsOf(tile).remove("you");
    this.pacer.push({ screen: tile.participant, gone: true });
  }

  /** Somebody else points. @param {string} from @param {any} body */
  #take(from, body) {
    const { participants, you } = this.app.state;
    const name = participants[from]?.name;
    if (!name || typeof body.screen !== "string") return;
    const isOwn = body.screen === you?.id;
    const tile = isOwn ? null : this.tiles.tileOf(body.screen, "screen");
    const cursors = isOwn ? this.copyCursors : tile && this.#cursorsOf(tile);
    if (!cursors) return;
    if (body.gone === true) cursors.remove(from);
    if (!isPoint(body)) return;
    if (isOwn && !this.#showCopy(from, name)) return;
    cursors.put(from, name, { x: body.x, y: body.y });
  }

  /** @param {Tile} tile */
  #cursorsOf(tile) {
    const known = this.#cursors.get(tile);
    if (known) return known;
    const made = new Cursors(tile.overlay, tile.video);
    this.#cursors.set(tile, made);
    return made;
  }

  /** @param {string} from @param {string} name @returns {boolean} whether there is a screen of one's own */
  #showCopy(from, name) {
    const track = this.app.local.tracks.screen;
    if (!track) return false;
    clearTimeout(this.#copyTimer);
    const shown = /** @type {MediaStream | null} */ (this.copyVideo.srcObject)?.getVideoTracks()[0];
    if (shown !== track) this.copyVideo.srcObject = new MediaStream([track]);
    this.copy.hidden = false;
    const words = fill(gettext("%(name)s points at your screen"), { name });
    setText(block("own-screen-words"), words);
    const now = performance.now();
    if (now - (this.#saidAt.get(from) ?? -Infinity) > SAID_AGAIN) say(words);
    this.#saidAt.set(from, now);
    return true;
  }

  #hideCopySoon() {
    clearTimeout(this.#copyTimer);
    this.#copyTimer = setTimeout(() => this.#hideCopy(), COPY_STAYS);
  }

  #hideCopy() {
    this.copy.hidden = true;
    this.copyVideo.srcObject = null;
  }
}
