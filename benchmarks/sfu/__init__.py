"""What forwarding costs, beside other servers in the same run: `python -m benchmarks.sfu`."""
