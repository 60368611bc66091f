import { detailsOf } from "../media/details.js";
import { health } from "../state/selectors.js";
import { block, button, fill, h, setText } from "./dom.js";
import { openMenu } from "./menus.js";
import { tileName, qualityWords } from "./words.js";

/**
 * The panel "Connection": how sound and picture of this person travel just now, in numbers.
 *
 * @import { App } from "../app.js"
 * @import { Reporter } from "../media/report.js"
 * @import { Details, SentPicture, Size } from "../media/details.js"
 * @import { Measurement, Way } from "../media/stats.js"
 * @import { Limit } from "../types.js"
 */

export class ConnectionPanel {
  /** @type {Measurement | null} */
  #before = null;
  /** @type {Details | null} */
  #details = null;

  /** @param {App} app @param {Reporter} reporter */
  constructor(app, reporter) {
    this.app = app;
    this.panel = block("connection-panel");
    this.list = block("connection-facts");
    button("room-health").addEventListener("click", () => this.open(button("room-health")));
    button("connection-close").addEventListener("click", () => this.panel.hidePopover());
    reporter.on("measured", (measured) => this.#take(measured));
    app.media.on("generation", () => {
      this.#before = this.#details = null;
    });
    for (const part of /** @type {const} */ (["media", "connection", "quality"])) app.store.watch((state) => state[part], () => this.#show());
  }

  /** @param {HTMLElement} opener */
  open(opener) {
    openMenu(this.panel, opener);
    this.#show();
    if (this.#isOpen) block("connection-title").focus();
  }

  get #isOpen() {
    return this.panel.matches(":popover-open");
  }

  /** @param {Measurement} measured */
  #take(measured) {
    if (this.#before && this.#before.at < measured.at) this.#details = detailsOf(this.#before, measured);
    this.#before = measured;
    this.#show();
  }

  #show() {
    if (!this.#isOpen) return;
    const { state } = this.app;
    const isWell = health(state) === "connected";
    const note = block("connection-note");
    note.hidden = isWell && this.#details !== null;
    setText(note, isWell ? gettext("Measuring…") : gettext("Audio and video are not connected just now."));
    this.list.hidden = !isWell || this.#details === null;
    if (!this.#details || !isWell) return;
    const rows = [...this.#ownRows(this.#details), ...this.#othersRows(this.#details)];
    rows.forEach(([label, words], index) => this.#row(index, label, words));
    while (this.list.children.length > rows.length) this.list.lastElementChild?.remove();
  }

  /** Changes the words in place, so that what is being read out is left alone. @param {number} index @param {string} label @param {string} words */
  #row(index, label, words) {
    const row = this.list.children[index] ?? this.list.appendChild(h("div", {}, h("dt"), h("dd")));
    setText(row.children[0], label);
    setText(row.children[1], words);
  }

  /** @param {Details} details @returns {[string, string][]} */
  #ownRows(details) {
    const { state, config } = this.app;
    const quality = state.quality[state.you?.id ?? ""];
    const language = config.language;
    /** @type {[string, string][]} */
    const rows = quality ? [[gettext("Quality"), qualityWords(quality)]] : [];
    if (details.way) rows.push([gettext("Path"), wayWords(details.way)]);
    if (details.roundTrip !== null) rows.push([gettext("Round trip"), fill(gettext("%(ms)s ms"), { ms: details.roundTrip })]);
    rows.push([gettext("Sending"), flowWords(details.sending, details.lostOut, language)]);
    rows.push([gettext("Receiving"), flowWords(details.receiving, details.lostIn, language)]);
    for (const picture of details.sent) rows.push([picture.source === "camera" ? gettext("Your camera") : gettext("Your screen"), sentWords(picture, language)]);
    const isWatched = (this.app.media.pair?.publisher.activeLayers("camera").length ?? 0) > 0;
    if (state.own.camera && !isWatched) rows.push([gettext("Your camera"), gettext("Not sent: nobody is looking")]);
    return rows;
  }

  /** @param {Details} details @returns {[string, string][]} */
  #othersRows({ received }) {
    const { participants } = this.app.state;
    return received.flatMap(({ participant, source, width, height, rate }) => {
      const person = participants[participant];
      if (!person) return [];
      const name = source === "screen" ? fill(gettext("%(name)s's screen"), { name: person.name }) : tileName(person, false);
      return [/** @type {[string, string]} */ ([name, `${sizeWords({ width, height })} · ${rateWords(rate, this.app.config.language)}`])];
    });
  }
}

/** @param {Way} way */
export function wayWords(way) {
  switch (way) {
    case "udp":
      return "UDP";
    case "tcp":
      return gettext("TCP, as UDP does not get through");
    case "turn-udp":
      return gettext("Relay (TURN) over UDP");
    case "turn-tcp":
      return gettext("Relay (TURN) over TCP");
    case "turn-tls":
      return gettext("Relay (TURN) over TLS");
  }
}

/** "480 kbit/s", "2.4 Mbit/s". @param {number} rate bit/s @param {string} language */
export function rateWords(rate, language) {
  const isMega = rate >= 1_000_000;
  const number = new Intl.NumberFormat(language, { maximumFractionDigits: isMega ? 1 : 0 }).format(isMega ? rate / 1_000_000 : Math.round(rate / 1000));
  return `${number}\u00a0${isMega ? "Mbit/s" : "kbit/s"}`;
}

/** @param {number} rate @param {number | null} lost @param {string} language */
function flowWords(rate, lost, language) {
  const flow = rateWords(rate, language);
  if (lost === null) return flow;
  const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 }).format(lost);
  return fill(gettext("%(rate)s, %(share)s lost"), { rate: flow, share });
}

/** @param {SentPicture} picture @param {string} language */
function sentWords({ sizes, rate, limited }, language) {
  const words = `${sizes.map(sizeWords).join(", ")} · ${rateWords(rate, language)}`;
  const why = limitWords(limited);
  return why ? `${words} · ${why}` : words;
}

/** @param {Limit} limited */
function limitWords(limited) {
  if (limited === "bandwidth") return gettext("held back by the connection");
  return limited === "cpu" ? gettext("held back by this computer") : "";
}

/** @param {Size} size */
function sizeWords({ width, height }) {
  return `${width} × ${height}`;
}
