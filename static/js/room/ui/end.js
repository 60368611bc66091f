import { createIcon } from "../../portal/icon.js";
import { block, fill, h, setIcon, setText } from "./dom.js";

/**
 * What one sees when the meeting is over for oneself, and what one can do next.
 * @import { App } from "../app.js"
 * @import { State, Phase } from "../state/initial.js"
 */

/** @type {Phase[]} */
const OVER = ["left", "removed", "refused", "ended", "moved", "failed"];

/** @param {Phase} phase */
export function isOver(phase) {
  return OVER.includes(phase);
}

export class End {
  /** @param {App} app */
  constructor(app) {
    this.app = app;
    app.store.watch((state) => state.phase, (phase, state) => {
      if (isOver(phase)) this.#show(state);
    });
  }

  /** @param {State} state */
  #show(state) {
    const { title, text, icon } = this.#words(state);
    block("end").hidden = false;
    setText(block("end-title"), title);
    setText(block("end-text"), text);
    setIcon(block("end-icon"), icon);
    block("end-actions").replaceChildren(...this.#actions(state));
    for (const dialog of document.querySelectorAll("dialog[open]")) /** @type {HTMLDialogElement} */ (dialog).close();
    block("toasts").replaceChildren();
    block("end-title").focus();
  }

  /** @param {State} state @returns {{title: string, text: string, icon: string}} */
  #words({ phase, ending, meeting }) {
    const { title } = meeting;
    switch (phase) {
      case "left":
        return { title: gettext("You left the meeting"), text: title, icon: "log-out" };
      case "removed":
        return {
          title: gettext("You were removed from the meeting"),
          text: ending?.by ? fill(gettext("%(name)s removed you from “%(title)s”."), { name: ending.by, title }) : fill(gettext("A host removed you from “%(title)s”."), { title }),
          icon: "user-x",
        };
      case "refused":
        return { title: gettext("You were not let in"), text: gettext("The host did not let you in. If you think this is a mistake, write to the organiser."), icon: "door-closed" };
      case "ended":
        if (ending?.reason === "cancelled") return { title: gettext("The meeting was cancelled"), text: title, icon: "calendar-x" };
        return { title: gettext("The meeting has ended"), text: gettext("Chat, files and recording are kept. Everyone who was invited gets a mail when the minutes are ready."), icon: "circle-check" };
      case "moved":
        return { title: gettext("You are in the meeting in another tab"), text: gettext("It was opened there, so it was closed here."), icon: "monitor-smartphone" };
      default:
        return { title: gettext("The meeting cannot be opened"), text: ending?.reason === "not_found" ? gettext("There is no meeting with this address. Check the link in your invitation.") : gettext("Load the page again. If that does not help, tell the organiser."), icon: "circle-alert" };
    }
  }

  /** @param {State} state @returns {HTMLElement[]} */
  #actions({ phase, ending }) {
    const reload = (/** @type {string} */ words, isMain = true) =>
      h("button", { class: `btn btn-large${isMain ? " btn-primary" : ""}`, type: "button", id: "end-again", click: () => location.reload() }, createIcon("rotate-cw"), words);
    const link = (/** @type {string} */ url, /** @type {string} */ words, isMain = false) =>
      h("a", { class: `btn btn-large${isMain ? " btn-primary" : ""}`, href: url }, words);
    switch (phase) {
      case "left":
        return [reload(gettext("Join again")), link(this.app.config.left_url, gettext("Go on"))];
      case "ended":
        return [link(ending?.url || this.app.config.left_url, gettext("Go on"), true)];
      case "moved":
        return [reload(gettext("Go on here")), link("/", gettext("To the start page"))];
      case "failed":
        return [reload(gettext("Try again")), link("/", gettext("To the start page"))];
      default:
        return [link("/", gettext("To the start page"))];
    }
  }
}
