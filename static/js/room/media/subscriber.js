import { PEER_CONFIGURATION } from "./configuration.js";
import { linesOf } from "./sdp.js";

/**
 * The connection that receives. The server offers; each offer is answered once, in order.
 *
 * @import { IceServer, Source, SubscribeOffer } from "../types.js"
 * @typedef {{participant: string, source: Source, mid: string, track: MediaStreamTrack, receiver: RTCRtpReceiver}} Arrival
 * @typedef {(data: {version: number, sdp: string}) => Promise<unknown>} Answer
 */

export class Subscriber {
  /** "<participant> <source>" → what arrives. @type {Map<string, Arrival>} */
  arrivals = new Map();
  /** Of the last offer that was taken. */
  version = -1;
  /** @type {Promise<void>} */
  #queue = Promise.resolve();

  /**
   * @param {{
   *   answer: Answer,
   *   onState: (state: RTCPeerConnectionState) => void,
   *   onArrivals: (arrivals: Map<string, Arrival>) => void,
   *   onError: (error: unknown) => void,
   * }} options
   */
  constructor({ answer, onState, onArrivals, onError }) {
    this.answer = answer;
    this.onArrivals = onArrivals;
    this.onError = onError;
    this.pc = new RTCPeerConnection(PEER_CONFIGURATION);
    this.pc.onconnectionstatechange = () => onState(this.pc.connectionState);
  }

  /** @param {IceServer[]} iceServers */
  configure(iceServers) {
    if (iceServers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
  }

  /** @param {SubscribeOffer} offer @returns {Promise<void>} when the answer is on its way; failures go to `onError` */
  takeOffer(offer) {
    return new Promise((onAnswer) => {
      this.#queue = this.#queue
        .then(() => this.#takeOffer(offer, onAnswer))
        .catch((error) => {
          if (this.pc.signalingState !== "closed") this.onError(error);
        })
        .finally(onAnswer);
    });
  }

  /** @param {SubscribeOffer} offer @param {() => void} onAnswer */
  async #takeOffer({ version, sdp }, onAnswer) {
    if (version <= this.version || this.pc.signalingState === "closed") return;
    this.version = version;
    await this.pc.setRemoteDescription({ type: "offer", sdp });
    await this.pc.setLocalDescription(await this.pc.createAnswer());
    const answered = this.answer({ version, sdp: this.pc.localDescription?.sdp ?? "" });
    onAnswer();
    this.#readLines(sdp);
    await answered;
  }

  /** @param {string} sdp */
  #readLines(sdp) {
    const byMid = new Map(this.pc.getTransceivers().map((transceiver) => [transceiver.mid, transceiver]));
    /** @type {Map<string, Arrival>} */
    const arrivals = new Map();
    for (const { mid, participant, source } of linesOf(sdp)) {
      const receiver = byMid.get(mid)?.receiver;
      if (!receiver) continue;
      const key = `${participant} ${source}`;
      const known = this.arrivals.get(key);
      // The same object for the same track, so that nothing that plays is touched.
      arrivals.set(key, known?.track === receiver.track ? known : { participant, source, mid, track: receiver.track, receiver });
    }
    this.arrivals = arrivals;
    this.onArrivals(arrivals);
  }

  close() {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
    this.arrivals = new Map();
    this.onArrivals(this.arrivals);
  }
}
