"""``python -m bench [name ...]``: run the benchmarks whose names match and print one table."""

import asyncio
import importlib
import pkgutil
import sys
import time
from types import ModuleType

from rich.console import Console
from rich.table import Table

import bench
from bench.harness import Report, Row

NOT_MEASURES = {"harness", "__main__", "eval"}


def modules(wanted: list[str]) -> list[ModuleType]:
    """The benchmark modules whose names contain one of the wanted words, or all of them."""
    found: list[ModuleType] = []
    for info in pkgutil.iter_modules(bench.__path__):
        if info.name in NOT_MEASURES or (wanted and not any(w in info.name for w in wanted)):
            continue
        module = importlib.import_module(f"bench.{info.name}")
        if hasattr(module, "measure"):
            found.append(module)
    return found


def table(rows: list[Row]) -> Table:
    out = Table(title="Chattery, measured in one run on this machine")
    for name in ("area", "measure", "ours", "unit", "beside", "ratio", "goal"):
        out.add_column(name, justify="right" if name in ("ours", "beside", "ratio") else "left")
    for row in rows:
        out.add_row(
            row.area,
            row.measure,
            f"{row.ours:,.4g}",
            row.unit,
            f"{row.floor:,.4g} {row.floor_name}" if row.floor is not None else "",
            f"{row.ratio:.2f}" if row.ratio is not None else "",
            row.goal,
        )
    return out


async def main(wanted: list[str]) -> int:
    console = Console(width=None if sys.stdout.isatty() else 160)
    report = Report(say=console.print)
    failed = 0
    for module in modules(wanted):
        console.rule((module.__doc__ or module.__name__).splitlines()[0])
        started = time.monotonic()
        try:
            await module.measure(report)
        except Exception:
            failed += 1
            console.print_exception(max_frames=4)
        console.print(f"  took {time.monotonic() - started:.0f} s")
    console.print(table(report.rows))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
