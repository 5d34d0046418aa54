"""Our channels beside what people would use instead: one interleaved run on the same two CPUs.

    python -m bench.peers [--cpus 0,1] [--rounds 3] [--quick] [--only ours,stdlib] [--json -]
    [--markdown]

Files: `peer` says what a peer is, `worker` and `workers` are the two pinned processes of one,
`ours`, `stdlib`, `libraries` and `mpi` are the peers, `run` measures them by turns, `table` shows
the result.
"""
