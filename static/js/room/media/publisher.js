import { preferCodec } from "./sdp.js";

/**
 * The connection that sends. The browser offers; one offer is in flight at a time.
 *
 * Microphone and camera have their line from the start, with or without a device behind it, so that switching them
 * on is `replaceTrack` and no negotiation. Screen and its sound get theirs when they are shared.
 *
 * @import { IceServer, Source } from "../types.js"
 * @typedef {(data: {generation: number, sdp: string, tracks: {mid: string, source: Source}[]}) => Promise<{sdp: string}>} Publish
 */

/** @type {Record<Source, {kind: "audio" | "video", encoding: RTCRtpEncodingParameters}>} */
const LINES = {
  mic: { kind: "audio", encoding: { maxBitrate: 48_000, priority: "high", networkPriority: "high" } },
  camera: { kind: "video", encoding: { maxBitrate: 1_700_000, maxFramerate: 30 } },
  screen: { kind: "video", encoding: { maxBitrate: 2_500_000, maxFramerate: 15 } },
  screen_audio: { kind: "audio", encoding: { maxBitrate: 96_000 } },
};

export class Publisher {
  /** @type {Map<Source, RTCRtpTransceiver>} */
  #transceivers = new Map();
  #generation = 0;
  #negotiating = false;
  #again = false;

  /**
   * @param {{publish: Publish, onState: (state: RTCPeerConnectionState) => void, onError: (error: unknown) => void}} options
   *   `onError`: an offer was not answered as it should be; the connection is then of no use
   */
  constructor({ publish, onState, onError }) {
    this.publish = publish;
    this.onError = onError;
    this.pc = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
    this.pc.onconnectionstatechange = () => onState(this.pc.connectionState);
    this.#line("mic");
    this.#line("camera");
  }

  /** @param {Source} source */
  #line(source) {
    const known = this.#transceivers.get(source);
    if (known) return known;
    const { kind, encoding } = LINES[source];
    const transceiver = this.pc.addTransceiver(kind, { direction: "sendonly", sendEncodings: [encoding] });
    if (kind === "video" && transceiver.setCodecPreferences) {
      const codecs = RTCRtpSender.getCapabilities("video")?.codecs ?? [];
      transceiver.setCodecPreferences(preferCodec(codecs, "video/VP8"));
    }
    this.#transceivers.set(source, transceiver);
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
    const transceiver = this.#line(source);
    await transceiver.sender.replaceTrack(track);
    const direction = track || source === "mic" || source === "camera" ? "sendonly" : "inactive";
    const turned = transceiver.direction !== direction;
    if (turned) transceiver.direction = direction;
    if (source === "screen" && track) await this.#keepLegible(transceiver.sender);
    if ((isNew || turned) && this.#generation) await this.#negotiate();
  }

  /** A slide that is sharp at 5 frames a second is read; one that is blurred at 15 is not. @param {RTCRtpSender} sender */
  async #keepLegible(sender) {
    const parameters = sender.getParameters();
    if (parameters.encodings.length === 0) return;
    parameters.degradationPreference = "maintain-resolution";
    await sender.setParameters(parameters);
  }

  /** @param {number} generation @param {IceServer[]} iceServers */
  async connect(generation, iceServers) {
    this.#generation = generation;
    if (iceServers.length > 0) this.pc.setConfiguration({ ...this.pc.getConfiguration(), iceServers });
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
  }

  close() {
    this.pc.onconnectionstatechange = null;
    this.pc.close();
  }
}
