/**
 * Which devices there are, and opening them.
 * @import { DeviceError } from "./errors.js"
 * @typedef {{id: string, label: string}} Device
 * @typedef {{mics: Device[], cameras: Device[], speakers: Device[]}} DeviceList
 */
import { classify } from "./errors.js";

/** Opening failed; `code` says how. */
export class DeviceFailure extends Error {
  /** @param {DeviceError} code @param {unknown} cause */
  constructor(code, cause) {
    super(code, { cause });
    this.name = "DeviceFailure";
    this.code = code;
  }
}

/** Speakers can be chosen in this browser. */
export const CAN_CHOOSE_SPEAKER = "setSinkId" in (globalThis.HTMLMediaElement?.prototype ?? {});

/** @param {string} id */
export function micConstraints(id) {
  return {
    ...(id ? { deviceId: { ideal: id } } : {}),
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
  };
}

/** @param {string} id */
export function cameraConstraints(id) {
  return {
    ...(id ? { deviceId: { ideal: id } } : {}),
    width: { ideal: 1280 },
    height: { ideal: 720 },
    frameRate: { ideal: 30, max: 30 },
  };
}

/**
 * @param {MediaStreamConstraints} constraints
 * @returns {Promise<MediaStream>} rejects with DeviceFailure
 */
export async function openDevices(constraints) {
  if (!navigator.mediaDevices) throw new DeviceFailure("insecure", null);
  try {
    return await navigator.mediaDevices.getUserMedia(constraints);
  } catch (error) {
    throw new DeviceFailure(classify(error), error);
  }
}

/**
 * A screen, window or tab, with its sound where the browser offers it.
 * @returns {Promise<MediaStream>} rejects with DeviceFailure
 */
export async function openScreen() {
  if (!navigator.mediaDevices?.getDisplayMedia) throw new DeviceFailure("unsupported", null);
  try {
    return await navigator.mediaDevices.getDisplayMedia({
      video: { frameRate: { ideal: 15, max: 15 } },
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
  } catch (error) {
    throw new DeviceFailure(classify(error), error);
  }
}

/** @param {"camera" | "microphone"} name @returns {Promise<PermissionState | "unknown">} */
async function permission(name) {
  try {
    const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (name) });
    return status.state;
  } catch {
    return "unknown"; // this browser cannot be asked about this device
  }
}

/** @param {(source: "mic" | "camera") => void} listener */
export async function onPermissionGranted(listener) {
  for (const [name, source] of /** @type {const} */ ([["microphone", "mic"], ["camera", "camera"]])) {
    try {
      const status = await navigator.permissions.query({ name: /** @type {PermissionName} */ (/** @type {string} */ (name)) });
      status.onchange = () => {
        if (status.state === "granted") listener(source);
      };
    } catch (error) {
      console.info(`this browser does not tell about the permission for the ${name}`, error);
    }
  }
}

/**
 * Opens both with one question to the person; when that fails, each alone, so that one broken device costs only itself.
 * @param {{mic: string | null, camera: string | null}} wish device ids ("" for any), null for not wanted
 * @returns {Promise<{mic: MediaStreamTrack | DeviceFailure | null, camera: MediaStreamTrack | DeviceFailure | null}>}
 */
export async function openBoth({ mic, camera }) {
  const audio = mic === null ? undefined : micConstraints(mic);
  const video = camera === null ? undefined : cameraConstraints(camera);
  if (!audio && !video) return { mic: null, camera: null };
  try {
    const stream = await openDevices({ audio: audio ?? false, video: video ?? false });
    return { mic: stream.getAudioTracks()[0] ?? null, camera: stream.getVideoTracks()[0] ?? null };
  } catch (error) {
    if (!(error instanceof DeviceFailure)) throw error;
    if (error.code === "insecure" || error.code === "dismissed" || !audio || !video) {
      return { mic: audio ? error : null, camera: video ? error : null };
    }
    return {
      mic: await openAlone({ audio }, "microphone", error),
      camera: await openAlone({ video }, "camera", error),
    };
  }
}

/**
 * @param {MediaStreamConstraints} constraints
 * @param {"camera" | "microphone"} name
 * @param {DeviceFailure} before
 * @returns {Promise<MediaStreamTrack | DeviceFailure>}
 */
async function openAlone(constraints, name, before) {
  // Asking again after "no" would be a nuisance, unless only the other device was refused.
  if (before.code === "blocked" && (await permission(name)) !== "granted") return before;
  try {
    return (await openDevices(constraints)).getTracks()[0];
  } catch (error) {
    if (error instanceof DeviceFailure) return error;
    throw error;
  }
}

/** @returns {Promise<DeviceList>} labels are empty before a permission was given */
export async function listDevices() {
  /** @type {DeviceList} */
  const list = { mics: [], cameras: [], speakers: [] };
  if (!navigator.mediaDevices) return list;
  const into = { audioinput: list.mics, videoinput: list.cameras, audiooutput: list.speakers };
  for (const { kind, deviceId, label } of await navigator.mediaDevices.enumerateDevices()) {
    // "communications" is a second name of a device that is listed by itself.
    if (deviceId && deviceId !== "communications") into[kind].push({ id: deviceId, label });
  }
  return list;
}

/** @param {() => void} listener plugged or unplugged @returns {() => void} */
export function onDeviceChange(listener) {
  if (!navigator.mediaDevices) return () => {};
  navigator.mediaDevices.addEventListener("devicechange", listener);
  return () => navigator.mediaDevices.removeEventListener("devicechange", listener);
}
