#!/bin/sh
# Installs genomed from this folder, without a network, into a directory of its own.
#
#   sh install.sh [DIRECTORY]      ./genomed by default
#
# PYTHON chooses the interpreter; it must be the version that `python-version` names.
# Models go into the library: GENOMED_LIBRARY, or the user's data directory.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
target=${1:-genomed}
wanted=$(cat "$here/python-version")

fail() {
  echo "error: $*" >&2
  exit 1
}

[ ! -e "$target" ] || fail "$target exists already; remove it, or name another directory"

# What arrived is what was packed.
(cd "$here" && sha256sum --check --quiet --strict SHA256SUMS) >&2 \
  || fail "the bundle is damaged or not whole; copy and unpack it again"

python=${PYTHON:-$(command -v "python$wanted" || command -v python3 || true)}
[ -n "$python" ] || fail "Python $wanted is needed, and none was found; set PYTHON to its path"
found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])') \
  || fail "$python does not run; set PYTHON to a Python $wanted"
[ "$found" = "$wanted" ] \
  || fail "$python is Python $found, and the bundle is for Python $wanted; set PYTHON to one"

# pip comes as a wheel, which Python runs as it is: no ensurepip is needed.
mkdir -p "$(dirname "$target")"
"$python" -m venv --without-pip "$target"
for pip in "$here"/wheels/pip-*.whl; do :; done
requirement="genomed[$(cat "$here/extras")]==$(cat "$here/version")"
if ! "$target/bin/python" "$pip/pip" --isolated --disable-pip-version-check install --quiet \
  --no-index --find-links "$here/wheels" pip "$requirement"; then
  rm -rf "$target"
  fail "the packages could not be installed; the bundle is for $(cat "$here/platform")"
fi

for pack in "$here"/models/*.tar; do
  [ ! -e "$pack" ] || "$target/bin/genomed" models add "$pack"
done

echo "genomed $(cat "$here/version") is installed: $target/bin/genomed --help"
echo "the workflow and its example: cd $here/workflow, then, with $target/bin on PATH,"
echo "  snakemake --cores 2 --configfile workflows/config/config.yaml"
