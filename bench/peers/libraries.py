"""Libraries for messages between processes: pyzmq, pynng, iceoryx2. Each is the extra `peers`; each
may be missing.

Each imports its library only where it is used, in a worker.
"""

from __future__ import annotations

import ctypes
from itertools import count
from pathlib import Path
from typing import Any

from .peer import MESSAGE, End, Peer, Place, ProcessPeer

_numbers = count()


def _address(place: Place, what: str) -> str:
    """Of a socket that nobody has used before."""
    return f"ipc://{place.directory}/{what}-{next(_numbers)}"


class Zmq(ProcessPeer):
    """PAIR sockets over ipc."""

    key, name, group = "pyzmq", "pyzmq, PAIR over ipc", "libraries"
    requires, module = "pyzmq", "zmq"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """The address."""
        address = _address(place, "zmq")
        return address, address

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        import zmq

        context = zmq.Context()
        pair = context.socket(zmq.PAIR)
        pair.setsockopt(zmq.LINGER, 0)
        (pair.bind if role == 0 else pair.connect)(side)

        def close() -> None:
            pair.close()
            context.term()

        return End(pair.send, pair.recv, close=close)


class Nng(ProcessPeer):
    """Pair0 sockets over ipc."""

    key, name, group = "pynng", "pynng, Pair0 over ipc", "libraries"
    requires, module = "pynng", "pynng"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """The address."""
        address = _address(place, "nng")
        return address, address

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        import pynng

        pair = pynng.Pair0()
        if role == 0:
            pair.listen(side)
        else:
            # Not blocking: it goes on trying until the other side listens.
            pair.dial(side, block=False)
        return End(pair.send, pair.recv, close=pair.close)


class Payload(ctypes.Structure):
    """A message as iceoryx2 types it."""

    _fields_ = (("data", ctypes.c_uint8 * len(MESSAGE)),)


class Iceoryx(ProcessPeer):
    """Publish and subscribe over shared memory, a service each way, looked at until a sample is
    there.
    """

    key, name, group = "iceoryx2", "iceoryx2, publish-subscribe, polled", "libraries"
    requires, module = "iceoryx2", "iceoryx2"

    def sides(self, place: Place) -> tuple[Any, Any]:
        """Its root, the prefix of its names, and the services' number."""
        side = (str(place.directory / "iceoryx2"), f"{place.prefix}iox2_", next(_numbers))
        return side, side

    def open(self, side: Any, role: int) -> End:
        """See ProcessPeer."""
        import iceoryx2 as iox2

        root, prefix, number = side
        Path(root).mkdir(exist_ok=True)
        iox2.set_log_level(iox2.LogLevel.Fatal)
        config = iox2.config.default()
        config.global_cfg.root_path = iox2.Path.new(root)
        config.global_cfg.prefix = iox2.FileName.new(prefix)
        node = iox2.NodeBuilder.new().config(config).create(iox2.ServiceType.Ipc)

        def service(direction: int) -> Any:
            return (
                node.service_builder(iox2.ServiceName.new(f"{number}-{direction}"))
                .publish_subscribe(Payload)
                .enable_safe_overflow(False)
                .subscriber_max_buffer_size(64)
                .max_publishers(1)
                .max_subscribers(1)
                .open_or_create()
            )

        publishing, subscribing = service(role), service(1 - role)
        # By default a side that finds the other's buffer full tries again until there is room.
        publisher = publishing.publisher_builder().create()
        subscriber = subscribing.subscriber_builder().create()
        payload = Payload.from_buffer_copy(MESSAGE)
        take = subscriber.receive

        def send(message: bytes) -> None:
            publisher.send_copy(payload)

        def receive() -> Any:
            while (sample := take()) is None:
                pass
            return sample

        def close() -> None:
            publisher.delete()
            subscriber.delete()

        return End(
            send, receive, content=lambda sample: bytes(sample.payload().contents), close=close
        )


def peers() -> list[Peer]:
    """All of this group."""
    return [Zmq(), Nng(), Iceoryx()]
