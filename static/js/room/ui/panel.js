import { block, button, setAttribute } from "./dom.js";
import { initRoving } from "./menus.js";

/**
 * The panel beside the pictures (below them on a phone) with its two tabs.
 * @import { App } from "../app.js"
 * @import { Panel as PanelName } from "../state/initial.js"
 */

export class Panel {
  /** @type {HTMLElement | null} where the focus was before the panel opened */
  #opener = null;

  /** @param {App} app */
  constructor(app) {
    this.app = app;
    button("panel-close").addEventListener("click", () => app.store.dispatch({ type: "panel", panel: null }));
    for (const name of /** @type {const} */ (["chat", "people"])) {
      button(`tab-${name}`).addEventListener("click", () => app.store.dispatch({ type: "panel", panel: name }));
    }
    initRoving(block("panel"), ".panel-tab", (tab) => tab.click());
    app.store.watch((state) => (state.phase === "in" ? state.panel : null), (panel) => this.#show(panel));
  }

  /** @param {PanelName} panel */
  #show(panel) {
    const aside = block("panel");
    const wasOpen = !aside.hidden;
    const hadFocus = aside.contains(document.activeElement);
    aside.hidden = panel === null;
    block("room").dataset.panel = panel ?? "";
    if (panel === null) {
      if (wasOpen && hadFocus && this.#opener?.isConnected) this.#opener.focus();
      return;
    }
    for (const name of ["chat", "people"]) {
      const isShown = name === panel;
      block(name).hidden = !isShown;
      setAttribute(button(`tab-${name}`), "aria-selected", String(isShown));
      setAttribute(button(`tab-${name}`), "tabindex", isShown ? null : "-1");
    }
    if (!wasOpen) this.#opener = document.activeElement instanceof HTMLElement ? document.activeElement : null;
    const isTabbing = document.activeElement?.matches(".panel-tab") ?? false;
    if (!isTabbing) this.#focus(panel);
  }

  /** @param {NonNullable<PanelName>} panel */
  #focus(panel) {
    // On a phone the keyboard would cover everything.
    if (panel === "chat" && matchMedia("(pointer: fine)").matches) block("chat-input").focus();
    else button(`tab-${panel}`).focus();
  }
}
