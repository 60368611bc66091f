"""libsrtp on OpenSSL, built from the source of Debian's package, for a Janus tuned as far as it goes.

Debian links libsrtp with NSS, whose AES costs several times as much. The build takes seconds, is made once
and kept in `.cache/` of the checkout.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "libsrtp-openssl"
NAME = "libsrtp2.so.1"


class BuildError(Exception):
    """The library could not be built; the text says why."""


def run(*command: str, cwd: Path) -> str:
    """Standard output of a command. BuildError with the end of what it said when it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command[:3])} …: {(done.stderr or done.stdout).strip()[-400:]}")
    return done.stdout


def mirror() -> str:
    """A sources.list line for the source packages of this Debian release."""
    listed = run(
        "apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT) $(ORIGIN)",
        "Identifier: Packages", cwd=Path("/"),
    )  # fmt: skip
    for line in listed.splitlines():
        uri, codename, component, origin = line.split(" ", 3)
        if origin == "Debian" and component == "main" and "-" not in codename:
            return f"deb-src {uri} {codename} main\n"
    raise BuildError("no Debian archive is configured here")


def fetch_source(folder: Path) -> Path:
    """The unpacked upstream source, without touching apt's own lists."""
    for name in ("lists/partial", "cache/archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "sources.list").write_text(mirror())
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::Cache": folder / "cache",
        "APT::Sandbox::User": "root",
    }
    options = [part for name, value in settings.items() for part in ("-o", f"{name}={value}")]
    run("apt-get", *options, "update", "-qq", cwd=folder)
    run("apt-get", *options, "source", "--download-only", "-qq", "libsrtp2", cwd=folder)
    archive = next(folder.glob("libsrtp2_*.orig.tar.*"))
    source = folder / "source"
    source.mkdir()
    run("tar", "xf", str(archive), "-C", str(source), "--strip-components=1", cwd=folder)
    return source


def build_tools() -> None:
    """See that compiler and headers are there, by apt when we may. BuildError says what to install."""
    packages = {"gcc": "gcc", "make": "make", "pkg-config": "pkg-config"}
    missing = [package for program, package in packages.items() if shutil.which(program) is None]
    if not Path("/usr/include/openssl/evp.h").exists():
        missing.append("libssl-dev")
    if not missing:
        return
    if os.geteuid() != 0:
        raise BuildError(f"please run once: sudo apt-get install {' '.join(missing)}")
    run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing, cwd=Path("/"))


def openssl_libsrtp() -> Path:
    """The folder to put into LD_LIBRARY_PATH. BuildError when there is none and none can be made."""
    if (CACHE / NAME).exists():
        return CACHE
    if shutil.which("apt-get") is None:
        raise BuildError("only on Debian and its kin")
    build_tools()
    with tempfile.TemporaryDirectory(prefix="libsrtp-") as name:
        source = fetch_source(Path(name))
        run("./configure", "--enable-openssl", cwd=source)
        # Its own rule for the shared library names no libraries.
        run("make", "-j2", "shared_library", "LIBS=-lcrypto -ldl -pthread", cwd=source)
        CACHE.mkdir(parents=True, exist_ok=True)
        made = CACHE / f"{NAME}.new"
        shutil.copy(next(source.glob("libsrtp2.so*")).resolve(), made)
        made.rename(CACHE / NAME)
    return CACHE


if __name__ == "__main__":
    print(openssl_libsrtp())
