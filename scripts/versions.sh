#!/usr/bin/env bash
# Tests with other versions than the locked ones, in an environment of their own:
#
#     scripts/versions.sh outdated|oldest [TEST...]
#
# outdated: of every package the last version that setup.cfg admits; oldest: of every package that setup.cfg
# names the first. Prints the versions that differ from requirements/dev.txt, then what the tests say; its
# exit status is theirs, or 0 where no version differs. Called by `make outdated` and `make oldest`.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
UV=${UV:-build/uv/bin/uv}

case "${1:-}" in
  outdated) resolution=highest ;;
  oldest) resolution=lowest-direct ;;
  *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
which=$1
tests=("${@:2}")
here=build/$which
mkdir -p "$here"

compile() { # the versions for this interpreter alone, one a line
  "$UV" pip compile --quiet --python "$PYTHON" --no-annotate --no-header "$@"
}
compile --no-deps requirements/dev.txt -o "$here/locked.txt" --upgrade
compile --extra dev --resolution "$resolution" setup.cfg -o "$here/found.txt" --upgrade

"$PYTHON" - "$here/locked.txt" "$here/found.txt" <<'END' && exit 0
import sys
locked, found = (dict(l.split("==") for l in open(n).read().split() if "==" in l) for n in sys.argv[1:])
rows = [(n, locked.get(n, "-"), found.get(n, "-")) for n in sorted({*locked, *found})]
rows = [row for row in rows if row[1] != row[2]]
print(f"{len(rows)} of {len(found)} versions differ from the lock", flush=True)
for row in rows:
    print("  {:24} {:>16} -> {}".format(*row), flush=True)
sys.exit(bool(rows))
END

"$UV" venv --quiet --clear --python "$PYTHON" "$here/venv"
install=("$UV" pip install --quiet --python "$here/venv/bin/python")
"${install[@]}" --require-hashes -r requirements/build.txt
"${install[@]}" -r "$here/found.txt"
"${install[@]}" --no-deps --no-build-isolation --editable .
"$here/venv/bin/python" -m pytest -n 2 -m "not slow" "${tests[@]}"
