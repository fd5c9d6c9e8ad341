"""Benchmarks: one module a subject, one table out. Ratios in one run, never absolute promises.

A module has ``NAME``, a one-line docstring, and ``async def measure(report: Report) -> None``
that starts what it needs, measures ours and the floor (or a peer) in turn, and adds rows.
``python -m bench`` runs all of them, ``python -m bench webhooks`` those whose name matches.
"""
