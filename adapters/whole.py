"""Reading and writing until all of it is done: the kernel may do less than it was asked for, and says so
in a number that is easily forgotten (read(2), write(2))."""

import os


def write_all(fd: int, data: bytes) -> None:
    """Write every byte at the file's offset."""
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(fd, rest) :]


def pwrite_all(fd: int, data: bytes, offset: int) -> None:
    """Write every byte from `offset` on; the file's own offset stays."""
    done = 0
    while done < len(data):
        done += os.pwrite(fd, memoryview(data)[done:], offset + done)


def pread_all(fd: int, size: int, offset: int) -> bytes:
    """The `size` bytes from `offset` on; fewer only where the file ends."""
    read = os.pread(fd, size, offset)
    while 0 < len(read) < size and (more := os.pread(fd, size - len(read), offset + len(read))):
        read += more
    return read
