#!/bin/sh
# Sets up what `make` needs: `setup.sh runtime` to run the portal, `setup.sh test` to test it as well.
# Done once; as long as the requirement files do not change, it only compares a checksum.
set -eu
cd "$(dirname "$0")/.."
UV=uv==0.13.9
want=${1:-runtime}

say() { printf '%s\n' "setup: $*"; }
fail() { printf '%s\n' "setup: $*" >&2; exit 1; }

# install PACKAGE...: with apt where we may, else one line that says what to do.
install() {
    command -v apt-get >/dev/null || fail "please install with your system's package manager: $*"
    [ "$(id -u)" = 0 ] || fail "please install once: sudo apt-get install $*"
    say "installing $* with apt"
    log=$(mktemp)
    if { [ -n "${apt_updated:-}" ] || apt-get update -qq; } >"$log" 2>&1 &&
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >>"$log" 2>&1; then
        apt_updated=1
        rm -f "$log"
    else
        tail -n 15 "$log" >&2
        rm -f "$log"
        fail "apt could not install $*: the lines above say why"
    fi
}

checksum() { cat "$@" | cksum; }

find_python() {
    for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
        if command -v "$candidate" >/dev/null &&
            "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
}

make_venv() {
    [ -x .venv/bin/python ] && .venv/bin/python -c '' 2>/dev/null && return
    python=$(find_python)
    if [ -z "$python" ]; then
        install python3 python3-venv
        python=$(find_python)
    fi
    [ -n "$python" ] || fail "Python 3.11 or newer is needed; give it as PYTHON=/path/to/python3"
    # Debian keeps a part of the venv module in a package of its own.
    "$python" -c 'import ensurepip' 2>/dev/null || install python3-venv
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv || fail "$python -m venv failed: the lines above say why"
}

# packages STAMP FILE...: install the Python packages that FILEs list, at the versions in constraints.txt.
packages() {
    stamp=.venv/.setup-$1
    shift
    sum=$(echo "$UV" | cat - constraints.txt "$@" | cksum)
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
    say "installing packages of $*"
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$UV"
    files=
    for file in "$@"; do files="$files -r $file"; done
    # shellcheck disable=SC2086 - one word for each file
    .venv/bin/uv pip install --quiet --python .venv/bin/python --constraint constraints.txt $files ||
        fail "the packages could not be installed: is the network there?"
    echo "$sum" >"$stamp"
}

node_is_new_enough() {
    command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' 2>/dev/null
}

gstreamer="
import gi
gi.require_version('GstWebRTC', '1.0')
from gi.repository import Gst, GstWebRTC
Gst.init(None)
raise SystemExit(not all(map(Gst.ElementFactory.find, ('webrtcbin', 'vp8enc', 'opusenc', 'nicesrc'))))
"

system_packages() {
    missing=
    for program in chromium redis-server; do
        command -v $program >/dev/null || missing="$missing $program"
    done
    command -v firefox-esr >/dev/null || command -v firefox >/dev/null || missing="$missing firefox-esr"
    # Programs that send and play are tested with GStreamer, in the system's own Python.
    /usr/bin/python3 -c "$gstreamer" >/dev/null 2>&1 || missing="$missing python3-gst-1.0 \
gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-nice"
    ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || missing="$missing postgresql"
    # Chinese pages are looked at too, and letters must be as wide on every machine.
    [ -d /usr/share/fonts/opentype/noto ] || missing="$missing fonts-noto-cjk"
    [ -d /usr/share/fonts/truetype/liberation ] || missing="$missing fonts-liberation"
    # Networks without UDP are tested in namespaces, which only root can make.
    if [ "$(id -u)" = 0 ]; then
        command -v turnserver >/dev/null || missing="$missing coturn"
        command -v nft >/dev/null || missing="$missing nftables"
        command -v ip >/dev/null || missing="$missing iproute2"
    fi
    node_is_new_enough || missing="$missing nodejs npm"
    # shellcheck disable=SC2086 - one word for each package
    [ -z "$missing" ] || install $missing
}

node_packages() {
    stamp=node_modules/.setup-done
    sum=$(checksum package-lock.json)
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return
    say "installing tools of package-lock.json"
    npm ci --silent --no-audit --no-fund --ignore-scripts || fail "npm ci failed: is the network there?"
    echo "$sum" >"$stamp"
}

# Two `make` at once would spoil each other's .venv.
if command -v flock >/dev/null && [ -z "${PLENUM_SETUP_LOCKED:-}" ]; then
    PLENUM_SETUP_LOCKED=1 exec flock .setup-lock sh "$0" "$want"
fi

# Here and not at the start: the portal's own user need not be able to write into this folder.
translations() {
    for source in locale/*/LC_MESSAGES/*.po; do
        [ -e "$source" ] || continue
        target=${source%.po}.mo
        if [ ! -e "$target" ] || [ "$source" -nt "$target" ]; then
            .venv/bin/python -m portal.translations
            return
        fi
    done
}

make_venv
case $want in
runtime) packages runtime requirements.txt ;;
test)
    packages runtime requirements.txt
    packages test requirements-dev.txt
    system_packages
    node_packages
    ;;
*) fail "say runtime or test, not '$want'" ;;
esac
translations
