"""The process that makes a journal file durable: `python journal_writer.py SOCKET FILE`.

It takes bytes from the socket, writes what has come in one piece, flushes it to the disk, and answers how
many bytes of the file are durable (8 bytes, big-endian). It ends when the other side closes, so what a
process that was killed has sent is still written. When the disk takes no more it ends without an answer.

A process of its own, since a thread of the serving one would wait for the interpreter twice at each flush.
It imports nothing of Salus, so that it starts in some milliseconds.
"""

from __future__ import annotations

import fcntl
import os
import signal
import socket
import sys

RESERVED_BYTES = 4 << 20
"""Reserved ahead: a flush need not write the file's new size."""
_TAKEN_BYTES_MAX = 1 << 20


def write(source: socket.socket, path: str) -> None:
    """Write what comes from the socket to a new file until the other side closes.

    Raises:
        OSError: the disk takes no more, or the file is there.
    """
    handle = _begun(path)
    reserved = end = 0
    source.sendall((0).to_bytes(8, "big"))
    try:
        while taken := _received(source):
            if end + len(taken) > reserved:
                os.posix_fallocate(handle, reserved, RESERVED_BYTES)
                reserved += RESERVED_BYTES
                os.fsync(handle)
            view = memoryview(taken)
            while view:
                written = os.pwrite(handle, view, end)
                end, view = end + written, view[written:]
            os.fdatasync(handle)
            try:
                source.sendall(end.to_bytes(8, "big"))
            except OSError:  # the other side was killed: what it has sent is written all the same
                continue
    finally:
        os.ftruncate(handle, end)
        os.fsync(handle)
        os.close(handle)


def _received(source: socket.socket) -> bytes:
    """Return what has come, nothing once the other side has closed or was killed."""
    try:
        return source.recv(_TAKEN_BYTES_MAX)
    except ConnectionResetError:  # it left answers unread; what it had sent was taken before
        return b""


def _begun(path: str) -> int:
    """Return a new file, durable under its name, and locked before anybody can see it there."""
    handle = os.open(path + ".new", os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    fcntl.flock(handle, fcntl.LOCK_EX)
    os.rename(path + ".new", path)
    folder = os.open(os.path.dirname(path), os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return handle


if __name__ == "__main__":
    for told in (signal.SIGINT, signal.SIGTERM):  # the serving process closes the socket when it has ended
        signal.signal(told, signal.SIG_IGN)
    try:
        write(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
    except OSError as error:
        sys.exit(f"the journal of the audit cannot be written: {error.strerror}")
