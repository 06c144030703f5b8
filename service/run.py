"""How does the service run? uvicorn on one socket until SIGTERM or Ctrl-C, then gracefully down."""

import errno
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager

import uvicorn

from lexmax.errors import InputError
from lexmax.service.app import create_app
from lexmax.service.logs import make_log, standard_logging
from lexmax.service.settings import Settings

_BACKLOG = 2048


def serve(settings: Settings) -> None:
    """Answer requests until the process is told to stop; running requests are finished first.

    Raises:
        InputError: if the address cannot be listened on.
        StorageError: if the folder of collections cannot be made or read.
    """
    log = make_log(settings.log_level)
    app = create_app(settings, log=log)
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    config = uvicorn.Config(
        app,
        access_log=False,
        log_config=standard_logging(settings.log_level),
        timeout_graceful_shutdown=settings.stop_seconds,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
    )
    server = uvicorn.Server(config)
    log.info("listening", host=host, port=port)
    with listening, _stopped_by_signals(server):
        server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any free one.

    Raises:
        InputError: if it is taken, or not an address of this machine.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        made = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InputError(_explained(error, host, port)) from error
    # Made again from its number, it knows its protocol. asyncio sets TCP_NODELAY only on sockets
    # that do, and without it every reply waits 40 ms for the client's acknowledgement.
    return socket.socket(fileno=made.detach())


def _explained(error: OSError, host: str, port: int) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {port} on {host} is in use by another program; expected a free one; "
            "stop that program, or choose another with --port (0 takes any free one)"
        )
    return (
        f"{host} port {port} cannot be listened on ({error.strerror}); expected an address of "
        "this machine and a port from 1024; correct --host or --port"
    )


@contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Generator[None, None, None]:
    # uvicorn catches them while it runs, and raises them again once it has stopped: without a
    # handler of ours, that would end the process with an error although everything went well.
    numbers = (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.signal(number, server.handle_exit) for number in numbers}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)
