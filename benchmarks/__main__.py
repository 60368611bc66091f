"""All benchmarks, one after the other: `make bench`."""

import subprocess
import sys

# A process each: what one sets for itself (its core, open sockets) must not weigh on the next.
for name in ("sfu", "bench_join", "bench_impaired"):
    subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=True)
