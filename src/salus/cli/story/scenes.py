"""The story: a Portuguese citizen falls ill in Estonia. Each scene does one thing and checks it."""

from __future__ import annotations

from salus.cli.story.beginning import join_federation, load_citizens, start_nodes
from salus.cli.story.stage import Stage
from salus.cli.story.teller import Scene

SCENES: tuple[Scene[Stage], ...] = (
    Scene("start", "Three nodes start, each a process with its own folder, keys and database", start_nodes),
    Scene("federation", "The three nodes join one federation, and each knows the others", join_federation),
    Scene("load", "Synthetic citizens are loaded, checked, indexed and audited", load_citizens),
)
