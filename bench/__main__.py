"""Run every measurement, or those named: `python -m bench [NAME ...]`.

A figure is a JSON line {"figure", "value", "unit", "target", "met", ...}. Ratios are of two things measured
in the same run, so that they hold on any machine.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import sys
import time

import bench


def modules() -> list[str]:
    """Return the names of all measurements, sorted."""
    return sorted(
        module.name for module in pkgutil.iter_modules(bench.__path__) if not module.name.startswith("_")
    )


def main(names: list[str]) -> int:
    """Run the named measurements (all when none is named) and print their figures."""
    unknown = set(names) - set(modules())
    if unknown:
        print(f"bench: no measurement {', '.join(sorted(unknown))}; there are: {', '.join(modules())}")
        return 2
    for name in names or modules():
        module = importlib.import_module(f"bench.{name}")
        if not hasattr(module, "figures"):
            continue
        started = time.monotonic()
        for figure in module.figures():
            print(json.dumps({"bench": name, **figure}), flush=True)
        print(f"bench: {name} took {time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
