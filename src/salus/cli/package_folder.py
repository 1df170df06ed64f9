"""Where FHIR packages are: the folder that other FHIR tools use too, or another one that is named."""

from __future__ import annotations

import argparse
from pathlib import Path


def cache_folder() -> Path:
    """Return the usual cache of FHIR packages."""
    return Path.home() / ".fhir" / "packages"


def add_packages_option(parser: argparse.ArgumentParser) -> None:
    """Add the option that names another folder of packages."""
    parser.add_argument(
        "--packages",
        type=Path,
        metavar="DIR",
        help="folder with packages in place of ~/.fhir/packages: NAME#VERSION folders, or .tgz files",
    )
