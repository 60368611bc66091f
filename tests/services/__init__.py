"""Real servers for tests: each on a free port of loopback, in a folder of its own that goes with it."""
