# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Errors of model folders, models and runtimes."""

from __future__ import annotations


class FieldError(ValueError):
    """A configuration or card field that is missing, unknown or has a wrong value."""


class CardError(FieldError):
    """A model card that is missing or breaks the schema."""


class ModelError(ValueError):
    """A model file that is not what its card, or its task, says."""


class SignatureError(ModelError):
    """A model folder whose signature is missing or not by a trusted key."""


class ProviderError(RuntimeError):
    """An execution provider that cannot be had under the provider policy."""


class AbandonedError(ModelError):
    """An inference took so long that it was given up."""
