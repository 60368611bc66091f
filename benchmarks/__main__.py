"""All benchmarks, one after the other: `make bench`."""

from benchmarks import bench_join, bench_sfu

bench_sfu.main()
bench_join.main()
