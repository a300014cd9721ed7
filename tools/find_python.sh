#!/usr/bin/env bash
# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
#
# Prints the Python that makes .venv: $PYTHON where it is set, else the one a sourced ROS uses, else
# the one .venv was made with, else the first of Python 3.10 to 3.13 on PATH or under pyenv.
set -u -o pipefail

version_of() {
  "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_supported() {
  case "$(version_of "$1")" in
    3.10 | 3.11 | 3.12 | 3.13) return 0 ;;
    *) return 1 ;;
  esac
}

first_supported() {
  local candidate path
  for candidate in "$@"; do
    path="$(command -v "$candidate")" || continue
    if is_supported "$path"; then
      printf '%s\n' "$path"
      return 0
    fi
  done
  return 1
}

python_of_venv() {
  local home version
  home="$(sed -n 's/^home = //p' .venv/pyvenv.cfg 2>/dev/null)"
  version="$(sed -n 's/^version = \([0-9]*\.[0-9]*\).*/\1/p' .venv/pyvenv.cfg 2>/dev/null)"
  [ -n "$home" ] && printf '%s\n' "$home/python$version"
}

if [ -n "${PYTHON:-}" ]; then
  if [ -z "$(version_of "$PYTHON")" ]; then
    echo "setup: PYTHON=$PYTHON does not run; give the path of a Python 3.10 to 3.13" >&2
    exit 1
  fi
  if [ -z "${ROS_DISTRO:-}" ] && ! is_supported "$PYTHON"; then
    echo "setup: PYTHON=$PYTHON is Python $(version_of "$PYTHON"); give a Python 3.10 to 3.13" >&2
    exit 1
  fi
  command -v "$PYTHON"
  exit 0
fi

if [ -n "${ROS_DISTRO:-}" ]; then
  for candidate in python3 /usr/bin/python3; do
    if "$candidate" -c 'import rclpy' 2>/dev/null; then
      command -v "$candidate"
      exit 0
    fi
  done
fi

shopt -s nullglob
first_supported "$(python_of_venv)" python3 python3.12 python3.11 python3.13 python3.10 \
  "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[0-3].*/bin/python3 && exit 0

echo "setup: no Python 3.10 to 3.13 found; install one (Debian, Ubuntu: sudo apt install python3 python3-venv python3-dev) or set PYTHON=/path/to/python3" >&2
exit 1
