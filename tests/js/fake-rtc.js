import { FakeSender } from "./fake-sender.js";

/** Peer connections without a network: a test says what they negotiate and how they fare. */

/** Answers as a server does that takes all encodings. */
export const WITH_SIMULCAST = "v=0\r\na=simulcast:recv q;h;f\r\n";
export const WITHOUT_SIMULCAST = "v=0\r\n";

export class FakeChannel {
  /** @type {RTCDataChannelState} */
  readyState = "connecting";
  bufferedAmount = 0;
  /** @type {((event: {data: unknown}) => void) | null} */
  onmessage = null;
  /** @type {any[]} */
  sent = [];

  /** @param {string} text */
  send(text) {
    this.sent.push(JSON.parse(text));
  }

  /** @param {unknown} message */
  hear(message) {
    this.onmessage?.({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }
}

export class FakePeerConnection {
  /** @type {FakePeerConnection[]} all that were made, in order */
  static all = [];

  /** @type {any} */
  configuration = {};
  signalingState = "stable";
  connectionState = "new";
  /** @type {(() => void) | null} */
  onconnectionstatechange = null;
  /** @type {any[]} */
  transceivers = [];
  /** @type {any} */
  localDescription = null;
  /** @type {any} */
  remoteDescription = null;
  channel = new FakeChannel();
  /** ICE restarts that offers asked for. */
  restarts = 0;
  #isRestarting = false;
  #offers = 0;

  constructor() {
    FakePeerConnection.all.push(this);
  }

  /** The newest pair. @returns {{publish: FakePeerConnection, subscribe: FakePeerConnection}} */
  static get pair() {
    const [publish, subscribe] = FakePeerConnection.all.slice(-2);
    return { publish, subscribe };
  }

  /** @param {string} kind @param {any} options */
  addTransceiver(kind, { direction, sendEncodings }) {
    const sender = new FakeSender(sendEncodings);
    const receiver = { track: { id: `t${this.transceivers.length}` } };
    /** @type {any} */
    const transceiver = { kind, direction, mid: null, sender, receiver };
    transceiver.stop = () => {
      transceiver.direction = "stopped";
      sender.replaceTrack = () => Promise.reject(Object.assign(new Error("stopped"), { name: "InvalidStateError" }));
    };
    this.transceivers.push(transceiver);
    return transceiver;
  }

  getTransceivers() {
    return this.transceivers;
  }

  createDataChannel() {
    return this.channel;
  }

  getConfiguration() {
    return this.configuration;
  }

  /** @param {any} configuration */
  setConfiguration(configuration) {
    this.configuration = configuration;
  }

  restartIce() {
    this.#isRestarting = true;
  }

  async createOffer() {
    return { type: "offer", sdp: `offer ${++this.#offers}` };
  }

  async createAnswer() {
    return { type: "answer", sdp: "answer" };
  }

  /** @param {any} description */
  async setLocalDescription(description) {
    this.localDescription = description;
    this.transceivers.forEach((transceiver, index) => (transceiver.mid ??= String(index)));
    if (this.#isRestarting) this.restarts++;
    this.#isRestarting = false;
  }

  /** As browsers do: an answer without simulcast leaves the first encoding. @param {any} description */
  async setRemoteDescription(description) {
    this.remoteDescription = description;
    if (description.type !== "answer" || description.sdp.includes("a=simulcast")) return;
    for (const { sender } of this.transceivers) sender.encodings.splice(1);
  }

  /** @param {string} state */
  become(state) {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  close() {
    this.signalingState = "closed";
    this.connectionState = "closed";
  }
}

export function installFakeRtc() {
  FakePeerConnection.all = [];
  const codecs = { audio: ["audio/opus", "audio/red", "audio/G722"], video: ["video/H264", "video/VP8"] };
  Object.assign(globalThis, {
    RTCPeerConnection: FakePeerConnection,
    RTCRtpSender: { getCapabilities: (/** @type {"audio" | "video"} */ kind) => ({ codecs: codecs[kind].map((mimeType) => ({ mimeType })) }) },
  });
}

/** Lets everything that waits for promises go on. */
export async function settle() {
  for (let turn = 0; turn < 12; turn++) await new Promise((resolve) => setImmediate(resolve));
}
