"""Messages between two processes over a pipe: a length, then a pickle. Only our own processes hold its ends."""

import os
import pickle
import struct
from collections.abc import Iterator
from typing import Any

HEADER = struct.Struct("<Q")
CHUNK = 1 << 20
LONGEST = 1 << 32
"""No message of ours is longer; a header that says so was not written by us."""


class Garbled(Exception):
    """What came through the pipe is no message: the process at the other end no longer knows what it does."""


def send(fd: int, message: object) -> None:
    """Write one message, all of it; raises OSError where the other end is gone."""
    packed = pickle.dumps(message)
    data = memoryview(HEADER.pack(len(packed)) + packed)
    while data:
        data = data[os.write(fd, data) :]


class Inbox:
    """The reading end of a pipe; ``ended`` once there will be no more."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.buffer = bytearray()
        self.ended = False

    def take(self) -> bool:
        """Read what has come, or wait for it if the pipe is a blocking one; whether there was anything."""
        try:
            data = os.read(self.fd, CHUNK)
        except BlockingIOError:
            return False
        self.buffer += data
        self.ended = not data
        return bool(data)

    def messages(self) -> Iterator[Any]:
        """Every message that is complete; raises Garbled where it is none."""
        while len(self.buffer) >= HEADER.size:
            (length,) = HEADER.unpack_from(self.buffer)
            if length > LONGEST:
                raise Garbled(f"a message of {length} bytes")
            if len(self.buffer) < HEADER.size + length:
                return
            data = bytes(self.buffer[HEADER.size : HEADER.size + length])
            del self.buffer[: HEADER.size + length]
            try:
                message = pickle.loads(data)
            except Exception as error:  # what unpickling raises is not documented
                raise Garbled(f"{type(error).__name__}: {error}") from error
            yield message

    def receive(self) -> Any:
        """The next message of a blocking pipe; raises EOFError where there will be none."""
        for message in self.messages():
            return message
        while self.take():
            for message in self.messages():
                return message
        raise EOFError
