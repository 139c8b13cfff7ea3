"""A PostgreSQL server of a test's own: a folder, a socket, nothing on the network.

It ends with the last process that uses it, however that ends.
"""

from __future__ import annotations

import fcntl
import getpass
import os
import pwd
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import trustme

# Waits until no process holds the file any more; where the server was removed before, there is nothing left to do.
_END_WITH_THE_LAST = """
flock "$0/users" sh -c 'kill -QUIT $(head -n 1 "$0/data/postmaster.pid"); rm -rf "$0"' "$0" &
"""

BINARIES = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class PrivateServer:
    """Runs as a user without privileges, for PostgreSQL refuses to run as root."""

    def __init__(self, folder: Path | None = None) -> None:
        """Make a server and start it; with a ``folder``, be the one that another process made there."""
        self._user = None if os.getuid() else pwd.getpwnam("nobody")
        self.folder = folder or Path(tempfile.mkdtemp(prefix="pg-"))
        self.url = self.url_of("queue")
        self._held = os.open(self.folder / "users", os.O_RDWR | os.O_CREAT)
        fcntl.flock(self._held, fcntl.LOCK_SH)
        if folder is None:
            self._make()

    def url_of(self, database: str, user: str = "owner") -> str:
        return f"postgresql:///{database}?host={self.folder}&user={user}"

    @property
    def socket(self) -> Path:
        return self.folder / ".s.PGSQL.5432"

    def _make(self) -> None:
        if self._user:
            os.chown(self.folder, self._user.pw_uid, self._user.pw_gid)
        self.folder.chmod(0o755)
        nothing = subprocess.DEVNULL
        # Away from this session: the signal that ends it is not for the one that waits for its end.
        watch = ["setsid", "sh", "-c", _END_WITH_THE_LAST, str(self.folder)]
        subprocess.run(watch, check=True, stdin=nothing, stdout=nothing, stderr=nothing)
        self._run("initdb", "-D", str(self.folder / "data"), "-A", "trust", "-U", "owner", "--no-sync", "-E", "UTF8")
        self.start()
        self._run("createdb", "-h", str(self.folder), "-U", "owner", "queue")

    def add_certificate(self, issued: trustme.LeafCert) -> None:
        """Put a certificate where the server looks for it."""
        for name, blobs in (("crt", issued.cert_chain_pems), ("key", [issued.private_key_pem])):
            file = self.folder / "data" / f"server.{name}"
            file.write_bytes(b"".join(blob.bytes() for blob in blobs))
            file.chmod(0o600)
            if self._user:
                os.chown(file, self._user.pw_uid, self._user.pw_gid)

    def start(self, more: str = "") -> None:
        options = f"-c listen_addresses='' -c unix_socket_directories={self.folder} -c fsync=off {more}"
        self._control("start", "-l", str(self.folder / "log"), "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        self._control("stop", "-m", mode)

    def await_recovery(self) -> None:
        """Wait until it takes connections again, as after a crash."""
        assert BINARIES is not None
        while subprocess.run([BINARIES / "pg_isready", "-q", "-h", self.folder], check=False).returncode:
            time.sleep(0.05)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder)
        os.close(self._held)

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self.folder / "data"), "-w", *arguments)

    def _run(self, name: str, *arguments: str) -> None:
        assert BINARIES is not None
        user = self._user.pw_name if self._user else getpass.getuser()
        subprocess.run(
            [BINARIES / name, *arguments],
            user=user if self._user else None,
            group=self._user.pw_gid if self._user else None,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
