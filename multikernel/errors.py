"""The catalogue of exceptions: everything multikernel raises on purpose derives from
`MultikernelError`, but for `Cancelled`, which a program is not to catch by accident.

Guarantees: every message says what happened, the value, where, and what to try, in that order and
in one line (`what: value (where); hint`), of letters that can be shown on a terminal whatever is
quoted; the parts stay readable as attributes. Every exception survives pickling with its
attributes, because exceptions travel from a core's process to its caller. This file imports
nothing, so any process may import it at any moment.

The command line turns `BadInput` into one line on stderr and exit code 2. Idea: one error, one
place, one sentence (NrOS's error type); a catalogue indexed by the symptom a user sees.
"""

_SPACES = "\u00a0\u2009\u202f"


def printable(text: str) -> str:
    """The text with what would act on a terminal (controls, line ends, marks that turn the
    direction of writing round) written as Python writes it: \\n, \\x1b, \\u202e.
    """
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one in _SPACES else repr(one)[1:-1] for one in text)


class MultikernelError(Exception):
    """Root of the catalogue: catch it to catch everything this package raises on purpose.

    what: what happened, no full stop. value: the offending value. where: the option, file or
    operation. hint: what to try. All but `what` may be left out.
    """

    def __init__(
        self, what: str = "", *, value: object = None, where: str = "", hint: str = ""
    ) -> None:
        self.value = None if value is None else printable(str(value))
        message = what if self.value is None else f"{what}: {self.value}"
        if where:
            message += f" ({where})"
        if hint:
            message += f"; {hint}"
        # Pickle rebuilds an exception as class(*args) and then restores __dict__: one composed
        # message is the only positional argument, so every subclass survives without a __reduce__
        # of its own.
        super().__init__(printable(str(message)))
        self.where = where
        self.hint = hint


class BadInput(MultikernelError):
    """The user asked for something that cannot be: an unknown name, a CPU that is not there, an
    unusable path.
    """


class _AtPage(MultikernelError):
    """Shared shape of errors about a page on a core; never raised itself."""

    def __init__(
        self,
        what: str = "",
        *,
        core: int | None = None,
        address: int | None = None,
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        if not where:
            parts = [] if address is None else [f"address {address:#x}"]
            parts += [] if core is None else [f"core {core}"]
            where = ", ".join(parts)
        super().__init__(what, value=value, where=where, hint=hint)
        self.core = core
        self.address = address


class PageFault(_AtPage):
    """A core read or wrote a page it has no mapping for (or wrote a read-only one).

    core: the core that touched it; address: the virtual address in bytes. None where unknown.
    """


class NotMapped(_AtPage):
    """An operation on a mapping that does not exist (any more): a second unmap, a pin or protect
    after an unmap.
    """


class PagePinned(_AtPage):
    """An unmap or protect was voted down: a core holds a pin. The page is still mapped on every
    core.

    core: the core that holds the pin.
    """


class OutOfMemory(MultikernelError):
    """Not enough physical memory left in the system's RAM for a frame of that size, or a size
    beyond all of it.
    """


class OutOfSlots(MultikernelError):
    """A fixed-size table is full: capability slots, mappings, operations in flight, channels."""


class _AtCore(MultikernelError):
    """Base of errors that name a core. core: its id, None where unknown."""

    def __init__(
        self,
        what: str = "",
        *,
        core: int | None = None,
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, value=value, where=where, hint=hint)
        self.core = core


class LockTimeout(_AtCore):
    """A lock between processes was not acquired in time: its holder has died, is stopped, or waits
    itself.

    core: who holds it, or had it last, None where that does not show.
    """


class CapabilityError(_AtCore):
    """An operation on a capability was refused, and nothing has changed on any core; the classes
    below say why.

    core: the core on which the operation was asked for, None where unknown.
    """


class RevokedCapability(CapabilityError):
    """The reference names no capability (any more): it was deleted, moved, revoked by the holder of
    an ancestor or a copy, or forged.
    """


class RetypeConflict(CapabilityError):
    """That memory, or a part of it, is something else already, on this core or another one."""


class CapabilityBusy(CapabilityError):
    """The memory is in use in a way that stands against the operation: it is mapped."""


class WrongType(CapabilityError):
    """A capability of that type cannot become that, or is no place for others: see the table of
    derivations.
    """


class NotCopyable(CapabilityError):
    """There is one capability of that type for each object, or it never leaves its core."""


class BadSize(CapabilityError):
    """A size or offset that is zero, no multiple of the page, not the type's, or beyond the
    capability.
    """


class RightsExceeded(CapabilityError):
    """The operation needs, or asks for, rights that the capability lacks."""


class SlotInUse(CapabilityError):
    """The slot asked for holds a capability."""


class CNodeFull(CapabilityError, OutOfSlots):
    """A CNode has not so many free slots in a row, or the slot asked for lies beyond its end."""


class OutOfCNodes(CapabilityError, OutOfSlots):
    """The core's kernel has no room for another CNode."""


class CNodeCycle(CapabilityError):
    """A CNode would be reachable from itself, or is nested too deep to be checked."""


class PermanentCapability(CapabilityError):
    """A core's root CNode is neither deleted, moved nor revoked."""


class ForeignHandle(MultikernelError):
    """A handle (frame, page, core) of one system was given to another."""


class UnknownKind(BadInput):
    """There is no shared object of that kind."""


class UnknownForm(BadInput):
    """There is no such form of a shared object."""


class NoLockFreeForm(BadInput):
    """A shared object of that kind and size has no lock-free form."""


class NotAMember(_AtCore, BadInput):
    """A core that is no member of a shared object used it, or was to own it.

    core: that core.
    """


class NoSuchKey(MultikernelError, KeyError):
    """A shared map has no such key. Python's own name catches it too."""

    __str__ = Exception.__str__  # KeyError shows its argument as Python writes it


class ObjectFull(MultikernelError):
    """A shared map or queue holds as much as it can; nothing was put in."""


class ObjectTimeout(_AtCore):
    """The core that owns a shared object was asked and has not answered: its process is stopped, or
    the host does not run it. The operation may still take effect.

    core: the owner.
    """


class DeadHandle(MultikernelError):
    """A handle that was once good is used after its object went away: a freed frame, an unmapped
    page, a core left.
    """


class ObjectClosed(DeadHandle):
    """A shared object is used after it was closed, or its maker's handle went away."""


class CoreDied(MultikernelError):
    """A core's process ended while something waited for it.

    core: its id; pid: its process; status: exit code, or minus the number of the signal that killed
    it. None where unknown.
    """

    def __init__(
        self,
        what: str = "",
        *,
        core: int | None = None,
        pid: int | None = None,
        status: int | None = None,
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, value=value, where=where, hint=hint)
        self.core = core
        self.pid = pid
        self.status = status


class TimedOut(MultikernelError, TimeoutError):
    """A wait came to the end that its caller had set. Python's own name catches it too."""


class ChannelError(MultikernelError):
    """Root of what channels raise."""


class ChannelMisused(ChannelError, BadInput, ValueError):
    """What cannot be done with this end of a channel: it is closed, was opened before, has another
    form, belongs to another process or thread, or carries something else. Nothing was sent.
    """


class WrongForm(ChannelMisused, AttributeError):
    """A channel of this form has no such operation, another form has."""


class ChannelTimeout(ChannelError, TimedOut):
    """Nothing came, or no room, for as long as the call or its end's `timeout` says. The channel
    can go on being used.
    """


class ChannelBroken(ChannelError):
    """Nothing more can be sent or received: a message was sent in part, or what came is none."""


class ChannelClosed(ChannelError, BrokenPipeError, EOFError):
    """The other side of a channel has closed it, or its process is gone. When receiving: and all it
    sent is read.

    Python's own names for the two cases catch it too.
    """


class TreeOvertaken(MultikernelError):
    """Another installation of the same root's tree began meanwhile; that one holds."""


class SystemClosed(MultikernelError):
    """An operation on a system after its `close()`, or after its `with` block ended."""


class SegmentFull(MultikernelError):
    """The file system of shared memory cannot hold a segment, found out when it is made and not by
    a crash later.

    path: the file system (usually /dev/shm); available, needed: bytes.
    """

    def __init__(
        self,
        what: str = "",
        *,
        path: str = "",
        available: int = 0,
        needed: int = 0,
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        if not what:
            what = f"shared memory is full: {needed} bytes are needed, {available} are available"
            where = where or path
            hint = (
                hint
                or "free space there, make it larger (mount -o remount,size=…), "
                "or ask for less memory"
            )
        super().__init__(what, value=value, where=where, hint=hint)
        self.path = path
        self.available = available
        self.needed = needed


class BootFailed(MultikernelError):
    """A system did not come up: a core could not start, be pinned, map its memory or answer in
    time.
    """


class _OfProgram(_AtCore):
    """Shared shape of errors about a program on a core; never raised itself.

    core: the core's id; function: the program's name; since: when it was started, in seconds since
    the epoch. None where unknown.
    """

    def __init__(
        self,
        what: str = "",
        *,
        core: int | None = None,
        function: str | None = None,
        since: float | None = None,
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, core=core, value=value, where=where, hint=hint)
        self.function = function
        self.since = since


class CoreBusy(_OfProgram):
    """A core cannot take this request now because it is running another one that cannot be
    interleaved with it: the program that it names.
    """


class Cancelled(BaseException):
    """Raised in a program on a core, in its first thread, when its task is cancelled.

    As asyncio's, it derives from BaseException, so that `except Exception` lets it pass; it is no
    KeyboardInterrupt. Clean up in `finally`. A program that catches it and returns ends as usual;
    one that catches it and goes on is told no second time unless it is cancelled again.
    """


class TaskCancelled(_OfProgram):
    """The result of a program that was cancelled: Cancelled left it."""


class CannotCancel(_OfProgram):
    """A program did not end within the grace that it was given after it was cancelled: it does not
    come back to Python, caught Cancelled, or is not done with cleaning up. Nothing was killed.
    """


class ProtocolError(MultikernelError):
    """Two sides disagree about a message, a segment's layout or a version. A bug or a mix of
    versions, never use.
    """


class MeasurementRefused(MultikernelError):
    """A measurement would not mean what it says (steal, migration, no interrupts where they are
    counted): refused.
    """


class RemoteError(MultikernelError):
    """A function run on a core raised something that cannot be pickled; this stands for it.

    type_name: the original class, `module.Name`; traceback: its formatted traceback, as text.
    """

    def __init__(
        self,
        what: str = "",
        *,
        type_name: str = "",
        traceback: str = "",
        value: object = None,
        where: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(what, value=value, where=where, hint=hint)
        self.type_name = type_name
        self.traceback = traceback


class OutputError(MultikernelError):
    """What was to be written could not be, though its place is a good one: it is full, or
    broken.
    """


class Unanswered(MultikernelError):
    """A question to the knowledge base took more time, or memory, than it was given."""


class DocumentError(MultikernelError):
    """A result document that is not one, is damaged, contradicts itself, or is of another schema
    version.
    """
