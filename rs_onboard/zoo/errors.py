# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of the zoo."""

from __future__ import annotations


class ZooError(ValueError):
    """A network, its input or its checkpoint is not what was asked for."""


class InputSizeError(ZooError):
    """An input size that the network is not exact for."""


class CheckpointError(ZooError):
    """A checkpoint that cannot be read safely or does not fit the network."""


class TorchMissingError(ImportError):
    """The zoo was asked for on a machine without torch."""

    def __init__(self) -> None:
        super().__init__(
            'the zoo (networks, training, export) needs torch, which is not installed here; it is '
            'ground equipment and flight does without it. Install it with: '
            'pip install torch onnx safetensors'
        )


class ExportError(ZooError):
    """A network that cannot be exported, or whose graph does not do what the network does."""
