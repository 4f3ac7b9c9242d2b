"""Coverage-guided fuzzing of everything that is read from outside, by atheris.

    python fuzz/outside.py NAME [libFuzzer options]    one reader, until it is stopped
    python fuzz/outside.py --seeds                     write the seeds of the corpus anew

A crash is written to the current folder; put it into fuzz/corpus/NAME, where the suite reads it too.
"""

import sys
import tempfile
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"


def write_seeds() -> None:
    from lockgate.testing.outside import seeds

    for name, files in seeds().items():
        (CORPUS / name).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(files):
            (CORPUS / name / f"seed-{number}").write_bytes(data)


def fuzz(name: str, options: list[str]) -> None:
    import atheris

    with atheris.instrument_imports(include=["lockgate", "tarfile"]):
        from lockgate.testing.outside import READERS

    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "found"  # what libFuzzer adds is not for the repository
        found.mkdir()
        work = Path(folder) / "work"
        work.mkdir()
        arguments = [sys.argv[0], *options, str(found), str(CORPUS / name)]
        atheris.Setup(arguments, lambda data: READERS[name](data, work))
        atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1:] == ["--seeds"]:
        write_seeds()
    else:
        fuzz(sys.argv[1], sys.argv[2:])
