/**
 * Words for codes: what happened, what is kept, what to do.
 * @import { DeviceError } from "../media/errors.js"
 * @import { ProtocolError } from "../protocol/codes.js"
 * @import { Role, Trouble } from "../types.js"
 */

/** @param {"mic" | "camera"} source @param {DeviceError} code */
export function deviceWords(source, code) {
  const isMic = source === "mic";
  switch (code) {
    case "blocked":
      return isMic
        ? gettext("The microphone is blocked for this site. Allow it at the lock or camera sign in the address bar; you can also join without.")
        : gettext("The camera is blocked for this site. Allow it at the lock or camera sign in the address bar; you can also join without.");
    case "blocked-system":
      return isMic
        ? gettext("Your system does not let the browser use the microphone. Allow it in the system's privacy settings; you can also join without.")
        : gettext("Your system does not let the browser use the camera. Allow it in the system's privacy settings; you can also join without.");
    case "dismissed":
      return gettext("The browser's question about camera and microphone was closed. Press the button again to be asked once more; you can also join without.");
    case "missing":
      return isMic
        ? gettext("No microphone was found. Plug one in, or join to listen.")
        : gettext("No camera was found. You can join without; the others see your initials.");
    case "in-use":
      return isMic
        ? gettext("The microphone cannot be opened, probably because another program uses it. Close that program and try again.")
        : gettext("The camera cannot be opened, probably because another program uses it. Close that program and try again.");
    case "unplugged":
      return isMic
        ? gettext("The microphone was unplugged. Plug it in again or choose another one.")
        : gettext("The camera was unplugged. Plug it in again or choose another one.");
    case "insecure":
      return gettext("Browsers give camera and microphone only to pages opened with https. You can join to listen and to chat.");
    case "unsupported":
      return gettext("This browser cannot do that. A current Chrome, Edge, Firefox or Safari can.");
    default:
      return isMic ? gettext("The microphone cannot be opened.") : gettext("The camera cannot be opened.");
  }
}

/** What hinders microphone and camera, in as few sentences as it takes. @param {DeviceError | null} mic @param {DeviceError | null} camera */
export function devicesWords(mic, camera) {
  if (mic && mic === camera) {
    if (mic === "blocked") return gettext("Camera and microphone are blocked for this site. Allow them at the lock or camera sign in the address bar; you can also join without.");
    if (mic === "blocked-system") return gettext("Your system does not let the browser use camera and microphone. Allow it in the system's privacy settings; you can also join without.");
    if (mic === "missing") return gettext("No camera and no microphone were found. Plug them in, or join to listen.");
    if (mic === "dismissed" || mic === "insecure" || mic === "unsupported") return deviceWords("mic", mic);
  }
  return [mic ? deviceWords("mic", mic) : "", camera ? deviceWords("camera", camera) : ""].filter(Boolean).join(" ");
}

/** A refusal in the server's own words when it has some. @param {ProtocolError} error */
export function refusalWords(error) {
  if (error.words) return error.who ? `${error.words} ${error.who}` : error.words;
  switch (error.code) {
    case "offline":
      return gettext("The connection is interrupted. Try again in a moment.");
    case "timeout":
      return gettext("The server did not answer in time. Try again.");
    case "forbidden":
      return gettext("You are not allowed to do this.");
    case "rate_limited":
      return gettext("That was too fast. Wait a moment.");
    case "too_large":
      return gettext("That is too long.");
    case "not_found":
      return gettext("It is not there any more.");
    case "bad_name":
      return gettext("Enter the name the others should see, at most 80 characters.");
    case "media_unavailable":
      return gettext("The media server is away. Chat and people go on working.");
    default:
      return gettext("That did not work. Try again.");
  }
}

/** What a role adds to a name; empty for those without. @param {Role} role */
export function roleWord(role) {
  if (role === "host") return gettext("host");
  if (role === "stream") return gettext("stream");
  return role === "cohost" ? gettext("co-host") : "";
}

/** @param {{name: string, guest: boolean, role: Role}} participant @param {boolean} isYou */
export function tileName({ name, guest, role }, isYou) {
  if (isYou) return gettext("You");
  const shown = guest ? interpolate(gettext("Guest: %(name)s"), { name }, true) : name;
  const word = roleWord(role);
  return word ? `${shown} · ${word}` : shown;
}

/** How good somebody's connection is. @param {number} level 1 to 5 */
export function qualityWords(level) {
  if (level >= 5) return gettext("Connection very good");
  if (level === 4) return gettext("Connection good");
  if (level === 3) return gettext("Connection fair");
  return level === 2 ? gettext("Connection poor") : gettext("Connection very poor");
}

/** As few words as a tile has room for. @param {Trouble} trouble @param {boolean} isYou */
export function tileTroubleWords({ source }, isYou) {
  const isSound = source === "mic" || source === "screen_audio";
  if (isYou) return isSound ? gettext("Your sound is not sent") : gettext("Your picture is not sent");
  return isSound ? gettext("No sound arrives") : gettext("No picture arrives");
}

/** A whole sentence: what does not come through, and where it stopped. @param {Trouble} trouble @param {string | null} name of whose it is, null for oneself */
export function troubleWords(trouble, name) {
  return name === null ? ownTroubleWords(trouble) : fillName(othersTroubleWords(trouble), name);
}

/** @param {Trouble} trouble */
function ownTroubleWords({ source, hop }) {
  if (source === "mic") {
    if (hop === "device") return gettext("Your microphone gives no sound. Check its switch, or choose another one.");
    return gettext("Your microphone sends no sound to the meeting; trying again.");
  }
  if (source === "camera") {
    if (hop === "device") return gettext("Your camera gives no picture. Check its cover, or choose another one.");
    return gettext("Your picture does not reach the meeting; trying again.");
  }
  if (source === "screen") return gettext("Your shared screen does not reach the meeting; trying again.");
  return gettext("The sound of your screen does not reach the meeting; trying again.");
}

/** @param {Trouble} trouble */
function othersTroubleWords({ source, hop }) {
  const isTheirs = hop === "device" || hop === "uplink";
  if (source === "mic") {
    if (isTheirs) return gettext("The microphone of %(name)s sends no sound to the meeting.");
    return gettext("The sound of %(name)s does not reach you; trying again.");
  }
  if (source === "camera") {
    if (isTheirs) return gettext("The picture of %(name)s does not reach the meeting.");
    return gettext("The picture of %(name)s does not reach you; trying again.");
  }
  if (source === "screen") {
    if (isTheirs) return gettext("The screen of %(name)s does not reach the meeting.");
    return gettext("The screen of %(name)s does not reach you; trying again.");
  }
  return gettext("The sound of the screen of %(name)s does not reach you; trying again.");
}

/** @param {string} format @param {string} name */
function fillName(format, name) {
  return interpolate(format, { name }, true);
}
