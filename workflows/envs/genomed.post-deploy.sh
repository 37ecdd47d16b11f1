#!/bin/sh
# Snakemake runs this in the environment that it has made of genomed.yaml, to put genomed in: from
# GENOMED_SOURCE (a folder, a wheel, anything pip installs), from the clone in which the workflow
# runs, or from the wheels of the offline bundle around it.
set -eu

if [ -n "${GENOMED_SOURCE:-}" ]; then
  source=$GENOMED_SOURCE
elif grep -qs '^name = "genomed"' pyproject.toml; then
  source=.
elif ls ../wheels/genomed-*.whl > /dev/null 2>&1; then
  source=$(ls ../wheels/genomed-*.whl)
else
  echo "error: genomed's source is not in $PWD; set GENOMED_SOURCE to its clone or wheel" >&2
  exit 1
fi
python -m pip install --no-deps "$source"
