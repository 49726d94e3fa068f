#!/usr/bin/env bash
# Makes .venv with the locked development requirements; does nothing where it is up to date.
#
#   scripts/setup_venv.sh          PYTHON=/path/of/python chooses the interpreter
set -euo pipefail
cd "$(dirname "$0")/.."

lock=requirements-dev.txt
stamp=.venv/.stamp
if [ -x .venv/bin/python ] && [ -f "$stamp" ] && cmp -s "$lock" "$stamp" && .venv/bin/python -c '' 2>/dev/null; then
  exit 0
fi

usable() {
  command -v "$1" >/dev/null 2>&1 &&
    "$1" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

python=
for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3}; do
  if usable "$candidate"; then python=$candidate; break; fi
done
if [ -z "$python" ]; then
  echo "Python 3.11 or newer with venv is needed: apt-get install python3 python3-venv (Debian, Ubuntu)," \
    "dnf install python3.12 (Fedora, RHEL), brew install python@3.12 (macOS); PYTHON=/path/of/python chooses another one." >&2
  exit 2
fi

echo "making .venv with $("$python" --version) (once; a minute or two)" >&2
rm -f "$stamp"
"$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-input --require-hashes -r "$lock"
cp "$lock" "$stamp"
echo ".venv is ready" >&2
