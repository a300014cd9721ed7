# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""GPU and TensorRT are named by their libraries, and nothing is said where there are none."""

from __future__ import annotations

import ctypes

import pytest

from rs_onboard.inference import gpu
from rs_onboard.inference.gpu import gpu_name, tensorrt_version


class Cuda:
    """The driver of a machine with one GPU."""

    def __init__(self, fails=''):
        self.fails = fails

    def cuInit(self, flags):  # noqa: N802  (its name there)
        return int(self.fails == 'cuInit')

    def cuDeviceGet(self, handle, device):  # noqa: N802
        return 0 if device == 0 else 101

    def cuDeviceGetName(self, name, size, handle):  # noqa: N802
        name.value = b'Orin'
        return int(self.fails == 'cuDeviceGetName')

    def cuDeviceGetAttribute(self, value, attribute, handle):  # noqa: N802
        value._obj.value = {75: 8, 76: 7}[attribute]
        return 0


def with_libraries(monkeypatch, **libraries):
    def load(name):
        if name in libraries:
            return libraries[name]
        raise OSError(name)

    monkeypatch.setattr(ctypes, 'CDLL', load)


def test_a_gpu_is_named_with_its_capability(monkeypatch):
    with_libraries(monkeypatch, **{gpu.CUDA_LIBRARY: Cuda()})
    assert gpu_name(0) == 'Orin sm_87'
    assert gpu_name(1) == ''


@pytest.mark.parametrize('fails', ['cuInit', 'cuDeviceGetName'])
def test_a_driver_that_fails_names_nothing(monkeypatch, fails):
    with_libraries(monkeypatch, **{gpu.CUDA_LIBRARY: Cuda(fails)})
    assert gpu_name(0) == ''


@pytest.mark.parametrize(
    ('number', 'version'),
    [(8601, '8.6.1'), (8502, '8.5.2'), (100300, '10.3.0'), (100900, '10.9.0')],
)
def test_versions_of_tensorrt_are_read_in_both_of_its_ways(monkeypatch, number, version):
    class Infer:
        @staticmethod
        def getInferLibVersion():  # noqa: N802
            return number

    with_libraries(monkeypatch, **{'libnvinfer.so.8': Infer})
    assert tensorrt_version() == version


def test_a_machine_without_either_says_nothing(monkeypatch):
    with_libraries(monkeypatch)
    assert (gpu_name(0), tensorrt_version()) == ('', '')
