/**
 * Keeps the resume secret of this tab, so that a reload comes back as the same participant.
 * sessionStorage: it ends with the tab and no other tab reads it.
 */
export class ResumeStore {
  /**
   * @param {string} code the meeting's join code
   * @param {Pick<Storage, "getItem" | "setItem" | "removeItem"> | null} storage null when the browser refuses it
   */
  constructor(code, storage) {
    this.key = `plenum.resume.${code}`;
    this.storage = storage;
    /** @type {{resume: string, name: string} | null} */
    this.value = this.#read();
  }

  /** @returns {{resume: string, name: string} | null} */
  #read() {
    const text = this.storage?.getItem(this.key);
    if (!text) return null;
    try {
      const value = JSON.parse(text);
      return typeof value.resume === "string" ? { resume: value.resume, name: String(value.name ?? "") } : null;
    } catch (error) {
      console.warn("the kept place in the meeting is unreadable", error);
      return null;
    }
  }

  /** @param {{resume: string, name: string}} value */
  keep(value) {
    this.value = value;
    this.storage?.setItem(this.key, JSON.stringify(value));
  }

  forget() {
    this.value = null;
    this.storage?.removeItem(this.key);
  }
}
