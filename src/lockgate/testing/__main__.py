"""`python -m lockgate.testing [--mutants | --properties]`: explore the shipped machine, or broken
ones; or list what is promised."""

import sys

from lockgate.testing.containers import OneContainer
from lockgate.testing.explore import explore
from lockgate.testing.mutants import MUTANTS, mutated
from lockgate.testing.properties import table


def main(arguments: list[str]) -> int:
    if "--properties" in arguments:
        print(table(), end="")
        return 0
    if "--mutants" in arguments:
        survivors = 0
        for mutant in MUTANTS:
            report = explore(OneContainer(step=mutated(mutant)))
            survivors += report.holds
            print(f"{'SURVIVED' if report.holds else 'caught':9} {mutant.name}\n          {report}")
        return survivors
    without = explore(OneContainer(faults=False))
    print(f"one container, nothing goes wrong: {without}")
    everything = explore(OneContainer())
    print(f"one container, all faults:         {everything}")
    return int(not (without.holds and everything.holds))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
