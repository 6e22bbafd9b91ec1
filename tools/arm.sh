#!/usr/bin/env bash
# Run tests as an ARM processor would, emulated, on a Debian of another processor (as root: it installs packages):
#   tools/arm.sh FOLDER tests/training/test_compiled.py
# FOLDER keeps the ARM system. JAX and numba run some 20 times slower; processes that a test would start do not.
set -euo pipefail
folder=$(mkdir -p "$1" && realpath "$1")
shift
cd "$(dirname "$0")/.."

if [ ! -e "$folder/ready" ]; then
  apt-get install -y -qq qemu-user-static
  dpkg --add-architecture arm64
  apt-get update -qq
  packages=(python3.11 python3.11-minimal libpython3.11-minimal libpython3.11-stdlib libc6 libgcc-s1 libstdc++6 zlib1g
            libexpat1 libssl3 libbz2-1.0 liblzma5 libffi8 libsqlite3-0 libncursesw6 libtinfo6 libreadline8 libuuid1
            libdb5.3 libcrypt1)
  mkdir -p "$folder/packages"
  (cd "$folder/packages" && apt-get download -qq "${packages[@]/%/:arm64}")
  for each in "$folder"/packages/*.deb; do dpkg -x "$each" "$folder/system"; done
  .venv/bin/uv pip install --quiet --python-platform aarch64-manylinux_2_28 --python-version 3.11 --only-binary :all: \
    --no-deps --require-hashes --target "$folder/site" -r requirements.lock
  touch "$folder/ready"
fi

PYTHONPATH=src:$folder/site exec qemu-aarch64-static -L "$folder/system" "$folder/system/usr/bin/python3.11" \
  -m pytest -p no:cacheprovider "$@"
