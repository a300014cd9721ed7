# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Name the GPU and the version of TensorRT by their C libraries alone."""

from __future__ import annotations

import ctypes

CUDA_LIBRARY = 'libcuda.so.1'
# Newest first: where two are installed, ONNX Runtime of today is built for the newer.
TENSORRT_LIBRARIES = ('libnvinfer.so.10', 'libnvinfer.so.8', 'libnvinfer.so')

NAME_BYTES = 256
COMPUTE_MAJOR, COMPUTE_MINOR = 75, 76


def gpu_name(device: int) -> str:
    """Return name and compute capability of a GPU ("Orin sm_87"), empty where there is none."""
    library = _load(CUDA_LIBRARY)
    if library is None or library.cuInit(0) != 0:
        return ''
    handle, major, minor = ctypes.c_int(), ctypes.c_int(), ctypes.c_int()
    name = ctypes.create_string_buffer(NAME_BYTES)
    if (
        library.cuDeviceGet(ctypes.byref(handle), device) != 0
        or library.cuDeviceGetName(name, NAME_BYTES, handle) != 0
        or library.cuDeviceGetAttribute(ctypes.byref(major), COMPUTE_MAJOR, handle) != 0
        or library.cuDeviceGetAttribute(ctypes.byref(minor), COMPUTE_MINOR, handle) != 0
    ):
        return ''
    return f'{name.value.decode("utf-8", "replace")} sm_{major.value}{minor.value}'


def tensorrt_version() -> str:
    """Return the version of TensorRT on this machine ("10.3.0"), empty where there is none."""
    for name in TENSORRT_LIBRARIES:
        library = _load(name)
        if library is not None:
            number = int(library.getInferLibVersion())
            # Version 10 went from 8601 (8.6.1) to 100300 (10.3.0).
            unit = 10_000 if number >= 100_000 else 1000
            return f'{number // unit}.{number % unit // 100}.{number % 100}'
    return ''


def _load(name: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(name)
    except OSError:
        return None
