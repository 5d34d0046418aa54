"""A replica of capabilities as the native module has it, and the same in a shell built from the
same sources, perhaps with a seeded bug."""

from __future__ import annotations

from typing import Protocol

from s0_native.building import Shell
from s0_native.capability_model import Row

from multikernel.native import _native

CNODES, ME, ROOT_ADDRESS, LOCKS, SLOT_BITS = 4, 3, 1 << 30, 3, 8


class Replica(Protocol):
    """What class Capabilities of the native module offers, as far as it is compared."""

    @property
    def root(self) -> int: ...
    def create_ram(self, address: int, size: int, cnode: int, index: int) -> tuple[int, int]: ...
    def receive(self, *numbers: int) -> tuple[int, int]: ...
    def copy(self, source: int, cnode: int, index: int, operation: int = 0) -> tuple[int, int]: ...
    def mint(
        self, source: int, rights: int, cnode: int, index: int, operation: int = 0
    ) -> tuple[int, int]: ...
    def retype(self, *numbers: int) -> tuple[int, int]: ...
    def map(self, *numbers: int) -> tuple[int, int]: ...
    def delete(self, reference: int, work: int, operation: int = 0) -> tuple[int, int, int]: ...
    def revoke_begin(self, reference: int) -> tuple[int, _native.Revocation]: ...
    def revoke_step(
        self, revocation: _native.Revocation, work: int, operation: int = 0
    ) -> tuple[int, int, int]: ...
    def lock(self, address: int, size: int, operation: int) -> int: ...
    def unlock(self, operation: int) -> None: ...
    def locks(self) -> list[tuple[int, int, int]]: ...
    def conflict(self, address: int, size: int, start: int, end: int) -> int: ...
    def find_object(self, address: int, size: int, type: int) -> tuple[int, int]: ...
    def derived_elsewhere(self, address: int, end: int) -> None: ...
    def relate(self, reference: int, owner: int, relations: int) -> int: ...
    def slots(self) -> list[Row]: ...
    def order(self) -> list[int]: ...
    def state(self) -> bytes: ...
    def digest(self) -> int: ...
    def check(self) -> str | None: ...


class ShellReplica:
    """The same from a shell, which may have been built with a seeded bug."""

    def __init__(self, shell: Shell) -> None:
        self.shell = shell
        self.root = 1 << 32
        shell.ask_many("o", CNODES, ME, ROOT_ADDRESS, LOCKS, SLOT_BITS)

    def pair(self, letter: str, *numbers: int) -> tuple[int, int]:
        verdict, reference = self.shell.ask_many(letter, *numbers)
        return verdict, reference

    def create_ram(self, address: int, size: int, cnode: int, index: int) -> tuple[int, int]:
        return self.pair("a", address, size, cnode, index)

    def receive(self, *numbers: int) -> tuple[int, int]:
        return self.pair("g", *numbers)

    def copy(self, source: int, cnode: int, index: int, operation: int = 0) -> tuple[int, int]:
        return self.pair("c", source, cnode, index, operation)

    def mint(
        self, source: int, rights: int, cnode: int, index: int, operation: int = 0
    ) -> tuple[int, int]:
        return self.pair("m", source, rights, cnode, index, operation)

    def retype(self, *numbers: int) -> tuple[int, int]:
        return self.pair("t", *numbers)

    def map(self, *numbers: int) -> tuple[int, int]:
        return self.pair("p", *numbers)

    def delete(self, reference: int, work: int, operation: int = 0) -> tuple[int, int, int]:
        verdict, done, slot = self.shell.ask_many("d", reference, work, operation)
        return verdict, done, slot

    def revoke_begin(self, reference: int) -> tuple[int, _native.Revocation]:
        verdict, *revocation = self.shell.ask_many("r", reference)
        keep, address, size, about, kind = revocation
        return verdict, (keep, address, size, about, kind)

    def revoke_step(
        self, revocation: _native.Revocation, work: int, operation: int = 0
    ) -> tuple[int, int, int]:
        verdict, done, slot = self.shell.ask_many("s", *revocation, work, operation)
        return verdict, done, slot

    def lock(self, address: int, size: int, operation: int) -> int:
        return self.shell.ask("l", address, size, operation)

    def unlock(self, operation: int) -> None:
        self.shell.ask("u", operation)

    def locks(self) -> list[tuple[int, int, int]]:
        numbers = iter(self.shell.ask_many("L"))
        return list(zip(*[numbers] * 3, strict=True))  # type: ignore[arg-type]

    def conflict(self, address: int, size: int, start: int, end: int) -> int:
        return self.shell.ask("f", address, size, start, end)

    def find_object(self, address: int, size: int, type: int) -> tuple[int, int]:
        return self.pair("x", address, size, type)

    def derived_elsewhere(self, address: int, end: int) -> None:
        self.shell.ask_many("y", address, end)

    def relate(self, reference: int, owner: int, relations: int) -> int:
        return self.shell.ask("e", reference, owner, relations)

    def slots(self) -> list[Row]:
        numbers = iter(self.shell.ask_many("S"))
        return list(zip(*[numbers] * 9, strict=True))  # type: ignore[arg-type]

    def order(self) -> list[int]:
        return self.shell.ask_many("O")

    def state(self) -> bytes:
        return self.shell.ask("H").to_bytes(8, "little")

    def digest(self) -> int:
        return self.shell.ask("h")

    def check(self) -> str | None:
        return None if self.shell.ask("k") == 1 else "an invariant"
