import { createIcon } from "../../portal/icon.js";
import { say } from "./announce.js";
import { block, fill, h } from "./dom.js";
import { initMenu, openMenu } from "./menus.js";
import { Tally } from "./tally.js";

/**
 * A quick answer without words: it floats up over the tile of whoever gave it and is read out. Where nothing may float
 * (reduced motion) or the tile is not in sight, it stands in a short list at the edge for a moment.
 *
 * @import { App } from "../app.js"
 * @import { Tiles } from "./tiles.js"
 */

/** Name on the wire → icon; the words are in `wordsOf`. @type {Record<string, string>} */
const ICONS = { up: "thumbs-up", heart: "heart", laugh: "laugh", party: "party-popper", idea: "lightbulb", down: "thumbs-down" };
const FLOATS = 3_000;
const LISTED = 6_000;
const MOST_LISTED = 5;
/** Of one person and at once over one tile: more is noise. */
const PAUSE = 300;
const MOST_FLOATING = 6;
const GATHERED = 1_500;

export class Reactions {
  #tally = new Tally();
  /** Participant id → when the last came. @type {Map<string, number>} */
  #cameAt = new Map();

  /** @param {App} app @param {Tiles} tiles */
  constructor(app, tiles) {
    this.app = app;
    this.tiles = tiles;
    this.menu = block("react-menu");
    this.list = block("reactions");
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    initMenu(this.menu, (name) => this.#give(name));
    app.media.data.on("message", ({ from, topic, body }) => {
      const own = app.state.you?.id;
      if (topic === "reaction" && from !== own) this.#show(from, String(body.name));
    });
  }

  /** @param {HTMLElement} opener */
  open(opener) {
    openMenu(this.menu, opener);
  }

  /** @param {string} name */
  #give(name) {
    const own = this.app.state.you?.id;
    if (own && this.#show(own, name)) this.app.media.data.send("reaction", { name });
  }

  /** @param {string} from @param {string} name @returns {boolean} false: nobody here, nothing known, or too fast */
  #show(from, name) {
    const person = this.app.state.participants[from];
    const now = performance.now();
    if (!person || !Object.hasOwn(ICONS, name) || now - (this.#cameAt.get(from) ?? -Infinity) < PAUSE) return false;
    this.#cameAt.set(from, now);
    const isYou = from === this.app.state.you?.id;
    const tile = this.tiles.tileOf(from, "camera");
    if (tile && this.tiles.sight.isSeen(tile.element) && !this.calm.matches) this.#float(tile.overlay, name);
    else this.#list(isYou ? gettext("You") : person.name, name);
    if (isYou) say(fill(gettext("You: %(reaction)s"), { reaction: wordsOf(name) }));
    else if (this.#tally.add(name, person.name)) setTimeout(() => this.#sayAll(), GATHERED);
    return true;
  }

  /** @param {HTMLElement} over @param {string} name */
  #float(over, name) {
    const floating = over.querySelectorAll(".reaction");
    if (floating.length >= MOST_FLOATING) floating[0].remove();
    const sign = h("span", { class: `reaction reaction-${name}` }, createIcon(ICONS[name], "l"));
    sign.style.setProperty("--drift", `${Math.round(Math.random() * 60 - 30)}px`);
    over.append(sign);
    setTimeout(() => sign.remove(), FLOATS);
  }

  /** @param {string} who @param {string} name */
  #list(who, name) {
    const line = h("li", { class: `reaction-line reaction-${name}` }, createIcon(ICONS[name]), h("span", {}, who));
    this.list.append(line);
    while (this.list.children.length > MOST_LISTED) this.list.firstElementChild?.remove();
    setTimeout(() => line.remove(), LISTED);
  }

  #sayAll() {
    for (const { reaction, names } of this.#tally.take()) say(tallyWords(wordsOf(reaction), names));
  }
}

/** @param {string} name */
function wordsOf(name) {
  /** @type {Record<string, string>} */
  const words = {
    up: gettext("thumbs up"),
    heart: gettext("heart"),
    laugh: gettext("laughing"),
    party: gettext("celebrating"),
    idea: gettext("good idea"),
    down: gettext("thumbs down"),
  };
  return words[name];
}

/** @param {string} reaction @param {string[]} names */
function tallyWords(reaction, names) {
  if (names.length <= 3) return fill(gettext("%(names)s: %(reaction)s"), { names: names.join(", "), reaction });
  return fill(ngettext("%(count)s person: %(reaction)s", "%(count)s people: %(reaction)s", names.length), { count: names.length, reaction });
}
