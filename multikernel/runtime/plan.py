"""What a system is to be: the one record that travels from `system.boot` to the supervisor and into
every core.
"""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Literal

ADDRESS_BYTES = 1 << 36
"""The whole range in which mappings lie, 64 GiB, divided among the cores; less where the host
limits addresses.
"""
PAGE = 4096
Kernel = Literal["multikernel", "shared"]
KERNELS: tuple[Kernel, ...] = ("multikernel", "shared")
Transport = Literal["call-line", "ring", "socket"]
TRANSPORTS: tuple[Transport, ...] = ("call-line", "ring", "socket")
"""What the monitors' messages may travel by, in the order of the native core's numbers."""
HOST_TRANSPORTS: tuple[Transport, ...] = ("socket",)
"""Those that share no memory."""
CapabilityProtocol = Literal["two-phase", "owner"]
CAPABILITY_PROTOCOLS: tuple[CapabilityProtocol, ...] = ("two-phase", "owner")
"""Which core drives an operation on capabilities, the one that asks or the object's owner; in the
native core's order.
"""
LockScope = Literal["big", "region"]
LOCK_SCOPES: tuple[LockScope, ...] = ("big", "region")
"""What the shared kernel's capabilities are locked by, in the order of the native core's numbers.
"""


@dataclass(frozen=True)
class Plan:
    """kernel: one of KERNELS; cpus: core i runs on cpus[i]; memory: bytes of physical memory.

    poll_us: how long an idle core polls before it parks, where it has a CPU of its own. window:
    monitors' call lines for each ordered pair, 1 to 32: twice as many as a core has operations in
    flight, so that those which take long are overtaken; channels: single lines a pair, 0 for
    programs' calls, 1 for groups, the rest for measuring; ring_slots: of the ring for each ordered
    pair, 0 for none; transport: one of TRANSPORTS, how the monitors' messages travel; capabilities:
    one of CAPABILITY_PROTOCOLS; trees: of some roots, native 32-bit numbers, each the root and then
    its cores - 1 edges (parent in the low half, child in the high half) in sending order; the other
    roots send to all. record: a directory, where each core of a multikernel writes down what its
    monitor is given (native/multikernel/record.h), or "". lock_scope: one of LOCK_SCOPES, of the
    shared kernel. trace: so many events each core of a multikernel keeps, the last ones; a power of
    two, or 0. addresses: bytes of the range that mappings lie in.
    """

    kernel: Kernel
    cpus: tuple[int, ...]
    memory: int
    slots: int
    cycles_per_us: int
    poll_us: float = 0.0
    window: int = 32
    channels: int = 2
    ring_slots: int = 32
    transport: str = "call-line"
    capabilities: CapabilityProtocol = "two-phase"
    trees: bytes = b""
    record: str = ""
    trace: int = 0
    lock_scope: str = "big"
    addresses: int = ADDRESS_BYTES
    sys_path: tuple[str, ...] = ()
    system: str = ""
    launcher: int = 0

    @property
    def cores(self) -> int:
        """How many cores."""
        return len(self.cpus)

    @property
    def crowded(self) -> bool:
        """Whether some CPU carries more than one core."""
        return len(set(self.cpus)) < len(self.cpus)

    @property
    def address_bytes(self) -> int:
        """Each core's share of the address range."""
        return self.addresses // self.cores // PAGE * PAGE

    def encode(self) -> bytes:
        """As JSON, for the supervisor."""
        record = asdict(self)
        record["trees"] = base64.b64encode(self.trees).decode()
        return json.dumps(record).encode()

    @staticmethod
    def decode(data: bytes) -> Plan:
        """The inverse of encode."""
        record = json.loads(data)
        record["trees"] = base64.b64decode(record["trees"])
        for name in ("cpus", "sys_path"):
            record[name] = tuple(record[name])
        return Plan(**record)
