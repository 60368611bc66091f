/** A WebSocket that a test drives by hand, and time that it moves by hand (fake-time.js). */

export class FakeSocket {
  /** @type {FakeSocket[]} all that were opened, in order */
  static all = [];

  /** @param {string} url */
  constructor(url) {
    this.url = url;
    /** @type {any[]} what the page sent */
    this.sent = [];
    this.isClosed = false;
    /** @type {(event: any) => void} */
    this.onopen = () => {};
    /** @type {(event: any) => void} */
    this.onmessage = () => {};
    /** @type {(event: any) => void} */
    this.onclose = () => {};
    FakeSocket.all.push(this);
  }

  static get last() {
    const socket = FakeSocket.all.at(-1);
    if (!socket) throw new Error("no socket was opened");
    return socket;
  }

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  close() {
    this.isClosed = true;
  }

  /** The server accepts. */
  accept() {
    this.onopen({});
  }

  /** The server says something. @param {unknown} frame */
  say(frame) {
    this.onmessage({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
  }

  /** The server answers the last request of this type. @param {string} type @param {object} body */
  answer(type, body) {
    const request = this.sent.findLast((frame) => frame.type === type);
    if (!request) throw new Error(`no ${type} was sent`);
    this.say({ re: request.id, ...body });
  }

  /** The server or the network closes. @param {number} code */
  drop(code) {
    this.onclose({ code });
  }
}
