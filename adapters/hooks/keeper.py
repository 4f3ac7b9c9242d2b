"""Run one hook and write down how it ended, whatever becomes of the engine that asked.

A program of its own, started with `python -I -S`: it imports nothing that takes long and nothing of ours.
Its arguments: the descriptor of the hook's file, which is locked as long as we live; seconds until
the hook and its children are killed; the working directory; the program; how many arguments; these,
then its environment.
"""

import os
import signal
import sys

CANNOT_RUN = 126


def main(file: str, limit: str, folder: str, program: str, count: str, *rest: str) -> None:
    """Writes the exit code into the file (negative for a signal), and makes it durable."""
    descriptor, size = int(file), int(count)
    os.set_inheritable(descriptor, False)  # else a daemon of the hook would keep it locked
    arguments = list(rest[:size]) or [program]
    environment = dict(pair.split("=", 1) for pair in rest[size:] if "=" in pair)
    try:
        os.chdir(folder)
        child = os.posix_spawn(program, arguments, environment, setpgroup=0)
    except OSError as problem:
        print(problem, file=sys.stderr)
        code = CANNOT_RUN
    else:
        signal.signal(signal.SIGALRM, lambda *_: os.killpg(child, signal.SIGKILL))
        signal.alarm(int(limit))
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        signal.alarm(0)  # while nobody else can have its number
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    os.ftruncate(descriptor, 0)
    told = b"%d\n" % code
    done = 0
    while done < len(told):  # less than all of a success would be none
        done += os.pwrite(descriptor, told[done:], done)
    os.fsync(descriptor)


if __name__ == "__main__":
    main(*sys.argv[1:])
