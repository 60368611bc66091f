import { PEER_CONFIGURATION } from "./configuration.js";
import { Encodings } from "./encodings.js";
import { firstEncodings, isPicture } from "./layers.js";
import { preferCodec, takesLayers } from "./sdp.js";

/**
 * The connection that sends. The browser offers; one offer is in flight at a time.
 *
 * Microphone and camera have their line from the start, with or without a device behind it, so that switching them
 * on is `replaceTrack` and no negotiation. Screen and its sound get theirs when they are shared. Pictures go out in
 * several sizes (layers.js); where the server takes only one, their lines are opened anew with the full picture alone, because
 * what browsers make of refused layers is a small one, and offers they then refuse themselves.
 *
 * @import { IceServer, Source } from "../types.js"
 * @import { Mask } from "./layers.js"
 * @import { Published } from "./stats.js"
 * @typedef {(data: {generation: number, sdp: string, tracks: {mid: string, source: Source}[]}) => Promise<{sdp: string}>} Publish
 */

/** In front where the browser has it: RED repeats the sound of the packet before, so that a lost one is not heard. */
const FIRST_CODEC = { audio: "audio/opus", video: "video/VP8" };
const REDUNDANT = "audio/red";

export class Publisher {
  /** @type {Map<Source, RTCRtpTransceiver>} */
  #transceivers = new Map();
  /** @type {Map<Source, Encodings>} */
  #encodings = new Map();
  #generation = 0;
  #negotiating = false;
  #again = false;
  #isLayered;

  /**
   * @param {{
   *   publish: Publish,
   *   onState: (state: RTCPeerConnectionState) => void,
   *   onError: (error: unknown) => void,
   *   isLayered?: boolean,
   *   onLayersRefused?: () => void,
   * }} options
   *   `onError`: an offer was not answered as it should be; the connection is then of no use. `isLayered`: whether to offer
   *   pictures in several sizes; `onLayersRefused`: the server takes one
   */
  constructor({ publish, onState, onError, isLayered = true, onLayersRefused = () => {} }) {
    this.publish = publish;
    this.onError = onError;
    this.onLayersRefused = onLayersRefused;
    this.#isLayered = isLayered;
    this.pc = new RTCPeerConnection(PEER_CONFIGURATION);
    this.pc.onconnectionstatechange = () => onState(this.pc.connectionState);
    this.#line("mic");
    this.#line("camera");
    /** What should not wait for the server (docs/protocol.md section 1.10); refused, it closes. */
    this.channel = this.pc.createDataChannel("plenum", { ordered: false, maxRetransmits: 0 });
  }

  /** Which m-line carries what. @returns {Map<string, Published>} by mid */
  get lines() {
    return new Map([...this.#transceivers].map(([source, { mid }]) => [mid ?? "", { source, isLayered: this.#isLayered && isPicture(source) }]));
  }

  /** Layers of a picture that are sent now, lowest first; empty without a line. @param {"camera" | "screen"} source */
  activeLayers(source) {
    return this.#encodings.get(source)?.active ?? [];
  }

  /** @param {Source} source */
  #line(source) {
    const known = this.#transceivers.get(source);
    if (known) return known;
    const kind = isPicture(source) ? "video" : "audio";
    const transceiver = this.pc.addTransceiver(kind, { direction: "sendonly", sendEncodings: firstEncodings(source, { isLayered: this.#isLayered }) });
    preferCodecs(transceiver, kind, source);
    this.#transceivers.set(source, transceiver);
    if (isPicture(source)) this.#encodings.set(source, new Encodings(transceiver.sender, source));
    return transceiver;
  }

  /**
   * @param {Source} source
   * @param {MediaStreamTrack | null} track
   */
  async setTrack(source, track) {
    if (this.pc.signalingState === "closed") return;
    const isNew = !this.#transceivers.has(source);
    if (isNew && !track) return;
    const transceiver = await this.#put(source, track);
    const direction = track || source === "mic" || source === "camera" ? "sendonly" : "inactive";
    const turned = transceiver.direction !== direction;
    if (turned) transceiver.direction = direction;
    if ((isNew || turned) && this.#generation) await this.#negotiate();
  }

  /** @param {Source} source @param {MediaStreamTrack | null} track @returns {Promise<RTCRtpTransceiver>} the line that carries it */
  async #put(source, track) {
    const transceiver = this.#line(source);
    const isReplaced = () => this.#transceivers.get(source) !== transceiver;
    try {
      await transceiver.sender.replaceTrack(track);
    } catch (error) {
      if (!isReplaced()) throw error;
    }
    if (isReplaced()) return this.#put(source, track);
    if (track) await this.#adjust([this.#encodings.get(source)?.follow()]);
    return transceiver;
  }

  /** The server says which layers somebody watches. @param {Source} source @param {Mask} watched */
  async watch(source, watched) {
    await this.#adjust([this.#encodings.get(source)?.watch(watched)]);
  }

  /** A window that is shared was resized, a phone was turned: sizes follow. */
  async follow() {
    await this.#adjust([...this.#encodings.values()].map((encodings) => encodings.follow()));
  }

  /** A picture in a size that is not the best is still a picture: nothing ends by it. @param {(Promise<void> | undefined)[]} changes */
  async #adjust(changes) {
    for (const result of await Promise.allSettled(changes)) {
      const isLate = this.pc.signalingState === "closed";
      if (result.status === "rejected" && !isLate) console.error("the sizes of a picture could not be changed", result.reason);
    }
  }

  /** @param {number} generation @param {IceServer[]} iceServers */
  async connect(generation, iceServers) {
    this.#generation = generation;
    if (iceServers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
    await this.#negotiate();
  }

  /** Looks for a new path; what is sent goes on as soon as there is one. */
  async restartIce() {
    if (!this.#generation || this.pc.signalingState === "closed") return;
    this.pc.restartIce();
    await this.#negotiate();
  }

  async #negotiate() {
    if (this.#negotiating) {
      this.#again = true;
      return;
    }
    this.#negotiating = true;
    try {
      do {
        this.#again = false;
        await this.#offer();
      } while (this.#again);
    } catch (error) {
      if (this.pc.signalingState !== "closed") this.onError(error);
    } finally {
      this.#negotiating = false;
    }
  }

  async #offer() {
    await this.pc.setLocalDescription(await this.pc.createOffer());
    const tracks = [...this.#transceivers]
      .filter(([, transceiver]) => transceiver.direction === "sendonly")
      .map(([source, transceiver]) => ({ mid: transceiver.mid ?? "", source }));
    const sdp = this.pc.localDescription?.sdp ?? "";
    const answer = await this.publish({ generation: this.#generation, sdp, tracks });
    if (this.pc.signalingState === "closed") return;
    await this.pc.setRemoteDescription({ type: "answer", sdp: answer.sdp });
    if (this.#isLayered && !takesLayers(answer.sdp)) await this.#dropLayers();
  }

  /** The server takes one size: lines without layers take the place of those that have them, by another offer. */
  async #dropLayers() {
    this.#isLayered = false;
    this.#again = true;
    this.onLayersRefused();
    for (const source of this.#encodings.keys()) {
      const old = this.#transceivers.get(source);
      if (!old) continue;
      const { track } = old.sender;
      old.stop();
      this.#transceivers.delete(source);
      await this.#put(source, track);
    }
  }

  close() {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}

/** @param {RTCRtpTransceiver} transceiver @param {"audio" | "video"} kind @param {Source} source */
function preferCodecs(transceiver, kind, source) {
  if (!transceiver.setCodecPreferences) return;
  const codecs = RTCRtpSender.getCapabilities(kind)?.codecs ?? [];
  const plain = preferCodec(codecs, FIRST_CODEC[kind]);
  transceiver.setCodecPreferences(source === "mic" ? preferCodec(plain, REDUNDANT) : plain);
}
