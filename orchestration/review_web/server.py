"""A review session in, a web server on the loopback address out, until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable
from socketserver import TCPServer, ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from etl.errors import SettingsError
from orchestration.review_web.app import application

if TYPE_CHECKING:
    from etl.review import Session

ADDRESS = "127.0.0.1"


class _Server(ThreadingMixIn, WSGIServer):
    """A thread a connection: a browser opens some that it never uses, which would block a server with one."""

    daemon_threads = True
    # the port of a review that just ended can be taken again; on Windows this would let two servers share it
    allow_reuse_address = os.name != "nt"

    def server_bind(self) -> None:
        """As the library's, without asking the network for this machine's name."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = ADDRESS, self.server_address[1]
        self.setup_environ()


class _Quiet(WSGIRequestHandler):
    """No line a request on stderr; the token stands in each address. Silent connections end after a minute."""

    timeout = 60

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name is the library's
        pass


def serve(
    session: Session, *, port: int = 0, ready: Callable[[str], None], started: Callable[[_Server], None] | None = None
) -> None:
    """Serve the session's page and block until Ctrl-C; `ready` gets its address once it answers.

    `started` gets the server, so that another thread can end it with `shutdown()`. Port 0 takes a free one. Only this
    machine can reach it, and only with the token. Raises `SettingsError` when the port is taken.
    """
    secret = secrets.token_urlsafe(24)
    try:
        server = _Server((ADDRESS, port), _Quiet)
    except OSError as error:
        raise SettingsError(
            f"port {port} of {ADDRESS} cannot be used ({error.strerror}); --port 0 takes a free one"
        ) from error
    number = server.server_port
    server.set_app(application(session, token=secret, hosts={f"{ADDRESS}:{number}", f"localhost:{number}"}))
    with server:
        if started is not None:
            started(server)
        with contextlib.suppress(KeyboardInterrupt):
            ready(f"http://{ADDRESS}:{number}/{secret}/")
            server.serve_forever(poll_interval=0.2)
