"""A replica of capabilities in a shell, built from the sources of the native core, perhaps with a
seeded bug."""

from __future__ import annotations

from s0_native.building import NATIVE, Shell
from s0_native.capability_model import Row

SOURCES = (*sorted((NATIVE / "capability").glob("*.c")), NATIVE / "probes" / "capabilities.c")
CNODES, ME, ROOT_ADDRESS, LOCKS, SLOT_BITS = 4, 3, 1 << 30, 3, 8
Revocation = tuple[int, int, int, int, int]


class Replica:
    """A fresh one in the place of the one that the shell had. Answers begin with the verdict."""

    def __init__(
        self,
        shell: Shell,
        cnodes: int = CNODES,
        me: int = ME,
        root_address: int = ROOT_ADDRESS,
        slot_bits: int = SLOT_BITS,
    ) -> None:
        self.shell = shell
        self.root = 1 << 32
        self.do("o", cnodes, me, root_address, LOCKS, slot_bits)

    def do(self, letter: str, *numbers: int) -> tuple[int, ...]:
        """One operation and what the replica is then, in one switch to the shell and back."""
        answer, whole = self.shell.ask_lines((letter, *numbers), ("A",))
        self._fine, self._digest, self._bytes, locks, slots, *rest = whole
        self._locks = rest[: 3 * locks]
        self._order = rest[3 * locks : 3 * locks + slots]
        self._slots = rest[3 * locks + slots :]
        return tuple(answer)

    def create_ram(self, address: int, size: int, cnode: int, index: int) -> tuple[int, ...]:
        return self.do("a", address, size, cnode, index)

    def receive(self, *numbers: int) -> tuple[int, ...]:
        return self.do("g", *numbers)

    def copy(self, source: int, cnode: int, index: int, operation: int = 0) -> tuple[int, ...]:
        return self.do("c", source, cnode, index, operation)

    def mint(
        self, source: int, rights: int, cnode: int, index: int, operation: int = 0
    ) -> tuple[int, ...]:
        return self.do("m", source, rights, cnode, index, operation)

    def retype(self, *numbers: int) -> tuple[int, ...]:
        return self.do("t", *numbers)

    def map(self, *numbers: int) -> tuple[int, ...]:
        return self.do("p", *numbers)

    def delete(self, reference: int, work: int, operation: int = 0) -> tuple[int, ...]:
        return self.do("d", reference, work, operation)

    def revoke_begin(self, reference: int) -> tuple[int, Revocation]:
        verdict, keep, address, size, about, kind = self.do("r", reference)
        return verdict, (keep, address, size, about, kind)

    def revoke_step(self, revocation: Revocation, work: int, operation: int = 0) -> tuple[int, ...]:
        return self.do("s", *revocation, work, operation)

    def lock(self, address: int, size: int, operation: int) -> int:
        return self.do("l", address, size, operation)[0]

    def unlock(self, operation: int) -> None:
        self.do("u", operation)

    def conflict(self, address: int, size: int, start: int, end: int) -> int:
        return self.do("f", address, size, start, end)[0]

    def find_object(self, address: int, size: int, kind: int) -> tuple[int, ...]:
        return self.do("x", address, size, kind)

    def derived_elsewhere(self, address: int, end: int) -> None:
        self.do("y", address, end)

    def relate(self, reference: int, owner: int, relations: int) -> int:
        return self.do("e", reference, owner, relations)[0]

    def __len__(self) -> int:
        return len(self._order)

    def locks(self) -> list[tuple[int, ...]]:
        return list(zip(*[iter(self._locks)] * 3, strict=True))

    def slots(self) -> list[Row]:
        return list(zip(*[iter(self._slots)] * 9, strict=True))  # type: ignore[arg-type]

    def order(self) -> list[int]:
        return self._order

    def state(self) -> int:
        """A hash of all its bytes."""
        return self._bytes

    def digest(self) -> int:
        return self._digest

    def check(self) -> str | None:
        return None if self._fine else "an invariant"
