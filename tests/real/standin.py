"""A runtime that answers `checkpoint` and `restore` by ending and by starting, and a criu to go with it.

What is written down is a number, so nothing is really gone on with; but everything around it is real:
the monitor's way of restoring, exit files that say 137 meanwhile, the runtime's record that goes.
"""

import os
import shutil
from pathlib import Path

RUNTIME = """#!/bin/sh
# told by the verb, as conmon and lockgate call it: GLOBAL-OPTIONS VERB OPTIONS ID
real={real}
seen={seen}
globals= verb= rest= image= bundle= pidfile= leave= id=
while [ $# -gt 0 ]; do
  case "$1" in
    --root|--log) globals="$globals $1 $2"; shift 2 ;;
    --root=*|--log=*|--log-format=*) globals="$globals $1"; shift ;;
    *) break ;;
  esac
done
verb=$1
case "$verb" in checkpoint|restore) ;; *) exec $real $globals "$@" ;; esac
shift
echo "$verb $*" >> $seen
[ "$1" = --help ] && exit 0
while [ $# -gt 0 ]; do
  case "$1" in
    --image-path) image=$2; shift 2 ;;
    --work-path) work=$2; shift 2 ;;
    --bundle) bundle=$2; shift 2 ;;
    --pid-file) pidfile=$2; shift 2 ;;
    --leave-running) leave=yes; shift ;;
    --*) shift ;;
    *) id=$1; shift ;;
  esac
done
if [ -e {trouble} ]; then
  echo '{{"level":"error","msg":"criu failed: an open connection"}}' >&2
  exit 1
fi
if [ "$verb" = checkpoint ]; then
  [ -d "$image" ] && [ -d "$work" ] || exit 1
  echo "{secret}" > "$image/inventory.img"
  echo log > "$work/dump.log"
  [ -n "$leave" ] && exit 0
  $real $globals kill "$id" KILL
  exec $real $globals delete --force "$id"
fi
grep -q "{secret}" "$image/inventory.img" || exit 1
$real $globals create --bundle "$bundle" --pid-file "$pidfile" "$id" || exit 1
exec $real $globals start "$id"
"""

SECRET = "4711"


class StandIn:
    """`seen`: what it was asked; `trouble`: once this file is there, it fails."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self.runtime = folder, folder / "runc"
        self._seen, self.trouble = folder / "seen", folder / "trouble"
        real = shutil.which("runc")
        assert real is not None
        script = RUNTIME.format(real=real, seen=self._seen, trouble=self.trouble, secret=SECRET)
        self._program("runc", script)
        self._program("criu", "#!/bin/sh\nexit 0\n")
        self.path = os.pathsep.join((str(folder), os.environ.get("PATH", os.defpath)))

    def _program(self, name: str, text: str) -> None:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)

    @property
    def seen(self) -> list[str]:
        return self._seen.read_text().splitlines()
