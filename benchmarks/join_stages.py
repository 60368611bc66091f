"""When each stage of joining is reached, seen from inside the page without changing it.

`SCRIPT` goes into the page before its own code: it listens to WebSocket messages and wraps RTCPeerConnection.
`READ` tells the milliseconds from the click to each stage that was reached, null before the first picture.
"""

STAGES = (
    "join_answered",
    "media_connect_answered",
    "offer_set",
    "answer_made",
    "ice_connected",
    "dtls_connected",
    "first_packet",
    "first_frame",
)
"""In the order of the receiving connection's way; each is counted from the click."""

SCRIPT = """
(() => {
  const marks = window.joinStages = {};
  const reach = (name) => { marks[name] ??= performance.now(); };

  const asked = new Map();
  const { send } = WebSocket.prototype;
  WebSocket.prototype.send = function (text) {
    if (!this.joinStagesHeard) {
      this.joinStagesHeard = true;
      this.addEventListener('message', ({ data }) => {
        if (typeof data !== 'string') return;
        const type = asked.get(JSON.parse(data).re);
        if (type === 'join') reach('join_answered');
        if (type === 'media.connect') reach('media_connect_answered');
      });
    }
    if (typeof text === 'string') {
      const { id, type } = JSON.parse(text);
      if (id !== undefined) asked.set(id, type);
    }
    return send.call(this, text);
  };

  const Original = window.RTCPeerConnection;
  const watch = async (pc) => {
    while (marks.first_packet === undefined && pc.connectionState === 'connected') {
      for (const stat of (await pc.getStats()).values()) {
        const video = stat.type === 'inbound-rtp' && stat.kind === 'video';
        if (video && stat.packetsReceived) reach('first_packet');
      }
      await new Promise((done) => setTimeout(done, 4));
    }
  };
  window.RTCPeerConnection = class extends Original {
    async setRemoteDescription(description) {
      await super.setRemoteDescription(description);
      // Only the receiving connection is offered something; what the browser publishes has no say here.
      if (description?.type !== 'offer' || this.joinStagesWatched) return;
      this.joinStagesWatched = true;
      reach('offer_set');
      this.addEventListener('iceconnectionstatechange', () => {
        if (['connected', 'completed'].includes(this.iceConnectionState)) reach('ice_connected');
      });
      this.addEventListener('connectionstatechange', () => {
        if (this.connectionState === 'connected') { reach('dtls_connected'); watch(this); }
      });
    }
    async setLocalDescription(description) {
      await super.setLocalDescription(description);
      if (this.localDescription?.type === 'answer') reach('answer_made');
    }
  };
})();
"""

READ = """
() => {
  const at = (name) => performance.getEntriesByName(name, 'mark').at(-1)?.startTime;
  const click = at('join-click'), frame = at('first-remote-frame');
  if (click === undefined || frame === undefined || frame <= click) return null;
  const reached = Object.entries({ ...window.joinStages, first_frame: frame });
  return Object.fromEntries(reached.map(([name, when]) => [name, when - click]));
}
"""
