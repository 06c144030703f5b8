"""How does the service run? uvicorn on one socket until SIGTERM or Ctrl-C, then gracefully down."""

import asyncio
import errno
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from types import FrameType

import uvicorn
from fastapi import FastAPI

from lexmax.errors import InputError
from lexmax.index.memory import keep_for_good, share_heaps
from lexmax.service.app import create_app
from lexmax.service.door import make_door
from lexmax.service.hosts import is_loopback
from lexmax.service.logs import make_log, standard_logging
from lexmax.service.parts import Service
from lexmax.service.settings import Settings

_BACKLOG = 2048
# The event loop, which turns requests away, takes the interpreter from threads that search.
_SWITCH_S = 0.001


def serve(settings: Settings) -> None:
    """Answer requests until the process is told to stop; running requests are finished first.

    Raises:
        InputError: if the address cannot be listened on, others than this machine could use the
            service without a key, or a file of keys or certificates cannot be used.
        StorageError: if the folder of collections cannot be made or read.
    """
    log = make_log(settings.log_level)
    sys.setswitchinterval(_SWITCH_S)
    share_heaps()
    os.nice(settings.nice)
    check_certificates(settings)
    app = create_app(settings, log=log, when_ready=keep_for_good)
    listening = listen(settings.host, settings.port)
    host, port = listening.getsockname()[:2]
    with listening:
        check_exposure(settings, host)
        server = _Server(_config(app, settings), app.state.service)
        log.info("listening", host=host, port=port, tls=settings.tls_cert is not None)
        if settings.keys and not settings.tls_cert and not is_loopback(host):
            log.warning("keys_in_the_clear", remedy="give --tls-cert, or encrypt in front of it")
        with _stopped_by_signals(server):
            server.run(sockets=[listening])


def check_exposure(settings: Settings, host: str) -> None:
    """Refuse to let others than this machine in without a key, unless that is wanted.

    Raises:
        InputError: if they would get in.
    """
    if settings.keys is None and not settings.insecure and not is_loopback(host):
        raise InputError(
            f"{host} can be reached from other machines, and the service would ask nobody for a "
            "key; expected --keys with a file that `lexmax keys create` makes, or --host "
            "127.0.0.1; --insecure says that whoever reaches the port may do everything"
        )


def check_certificates(settings: Settings) -> None:
    """Refuse certificates that no client could be shown.

    Raises:
        InputError: if a file is missing, or the two do not fit.
    """
    cert, key = settings.tls_cert, settings.tls_key
    if cert is None:
        if key is not None:
            raise InputError("--tls-key is given without --tls-cert; expected both; add the other")
        return
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError) as error:
        raise InputError(
            f"the certificate {cert} with the key {key or cert} cannot be used "
            f"({error.strerror or error}); expected PEM files that fit, the key without a "
            "password; correct --tls-cert and --tls-key"
        ) from error


def _config(app: FastAPI, settings: Settings) -> uvicorn.Config:
    open_files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    most = settings.max_requests
    tls = settings.tls_cert is not None
    return uvicorn.Config(
        app,
        http=make_door(app.state.service.lanes, app.state.turned_away, tls=tls),
        access_log=False,
        log_config=standard_logging(settings.log_level),
        timeout_graceful_shutdown=settings.stop_seconds,
        # The service turns requests away before then, and tells them when to come again.
        limit_concurrency=max(most + 64, min(4 * most, open_files // 2)),
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        server_header=False,
        proxy_headers=False,
        ws="none",
        lifespan="on",
    )


class _Server(uvicorn.Server):
    """uvicorn that is not ready any more as soon as it is told to stop, and stops a while later."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._service.stop_soon()
        wait = 0.0 if self._told else self._service.settings.drain_seconds
        self._told = True
        if wait and self._loop is not None:  # a load balancer sees it, and sends no more
            stop = partial(super().handle_exit, sig, frame)
            self._loop.call_soon_threadsafe(self._loop.call_later, wait, stop)
        else:
            super().handle_exit(sig, frame)


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
