"""The master key, which wraps the keys that contents are sealed with (docs/decisions/0028).

Outside a demonstration it is never in the node's folder: whoever copies the folder has then copied nothing
that can be read. It is a file, or what a command writes: the door to a key management service.
"""

from __future__ import annotations

import base64
import binascii
import subprocess
from collections.abc import Sequence
from pathlib import Path

from salus.core.errors import SettingsInvalid
from salus.trust.keys import add_secret, read_secret

COMMAND_SECONDS_MAX = 30.0
_KEY_BYTES = 32
_DEMO_FILE = "keys/master.key"


def load_master_key(data: Path, *, file: str, command: Sequence[str], demo: bool) -> bytes:
    """Return the master key of the node in folder `data`.

    Args:
        data: the node's folder.
        file: the setting `master_key`.
        command: the setting `master_key_command`.
        demo: of a demonstration, which makes the key in its folder when the settings name none.

    Raises:
        SettingsInvalid: there is none, it lies in the node's folder, or it cannot be had.
    """
    if command:
        return _written_by(command)
    if not file and demo:
        add_secret(data / _DEMO_FILE)
        return read_secret(data / _DEMO_FILE)
    if not file:
        raise SettingsInvalid(
            "This node has no master key, which seals health data at rest. Make one outside its folder, "
            "on another disk if you can: `salus keys new-master FILE`; then write "
            f'master_key = "FILE" into {data}/salus.toml.'
        )
    path = Path(file)
    if not demo and path.resolve().is_relative_to(data.resolve()):
        raise SettingsInvalid(
            f"The master key {path} lies in the node's folder {data}, so that a copy of the folder "
            "could be read. Move it elsewhere, on another disk if you can, and set master_key in "
            f"{data}/salus.toml to where it is."
        )
    return read_secret(path)


def beside(data: Path) -> Path:
    """Return where `salus node init` puts the master key if it is told no other place: beside the folder."""
    folder = data.resolve()
    return folder.with_name(f"{folder.name}.master.key")


def make_master_key(path: Path) -> None:
    """Make a master key.

    Raises:
        SettingsInvalid: there is a file already, or it cannot be written.
    """
    if path.exists():
        raise SettingsInvalid(f"{path} is there already and stays as it is; name a new file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsInvalid(f"{path.parent} cannot be made: {error.strerror}") from error
    add_secret(path)


def read_master_key(path: Path) -> bytes:
    """Return the key in a file, as 32 bytes or in base64 as a command writes it. Raises SettingsInvalid."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsInvalid(f"{path} cannot be read: {error.strerror}") from error
    return content if len(content) == _KEY_BYTES else _decoded(content, str(path))


def _written_by(command: Sequence[str]) -> bytes:
    try:
        done = subprocess.run(  # noqa: S603  (the operator's own, and no shell)
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise SettingsInvalid(f"master_key_command: {command[0]} cannot be run: {error}") from error
    except subprocess.TimeoutExpired as error:
        raise SettingsInvalid(
            f"master_key_command: {command[0]} wrote no key within {COMMAND_SECONDS_MAX:.0f} seconds"
        ) from error
    if done.returncode:
        raise SettingsInvalid(f"master_key_command: {command[0]} ended with code {done.returncode}")
    return _decoded(done.stdout, f"what {command[0]} wrote")


def _decoded(text: bytes, what: str) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise SettingsInvalid(f"{what} is no master key: {_KEY_BYTES} bytes in base64 (44 characters)")
    return key
