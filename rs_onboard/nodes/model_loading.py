# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Load the model of a task node as its parameters say."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

from rs_onboard.inference.errors import FieldError
from rs_onboard.inference.model import load_model
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.inference.signature import load_trusted_keys
from rs_onboard.nodes.locations import model_folder

if TYPE_CHECKING:
    from rs_onboard.inference.card import TaskName, VariantName
    from rs_onboard.inference.engines import Progress
    from rs_onboard.inference.model import Model
    from rs_onboard.inference.runtime_settings import ProviderPolicy
    from rs_onboard.inference.signature import TrustedKeys
    from rs_onboard.nodes.model_settings import ModelSettings, RuntimeFields


def load_task_model(settings: ModelSettings, task: TaskName, progress: Progress) -> Model:
    """Load and verify the model of a task.

    Args:
        settings: The parameters of the node.
        task: The task.
        progress: Told what takes long.

    Raises:
        FieldError: A signature is asked for, but no file of keys is given.
        CardError, ModelError, ProviderError: As in `load_model`.
    """
    return load_model(
        model_folder(settings.model),
        task=task,
        variant=cast('VariantName', settings.variant),
        settings=runtime_settings(settings),
        batch=settings.batch,
        trusted=trusted_keys(settings),
        progress=progress,
    )


def runtime_settings(settings: RuntimeFields) -> RuntimeSettings:
    """Take what concerns the runtime."""
    cache = settings.engine_cache
    return RuntimeSettings(
        provider=settings.provider,
        policy=cast('ProviderPolicy', settings.provider_policy),
        threads=settings.threads,
        spinning=settings.spinning,
        arena=settings.arena,
        memory_pattern=settings.memory_pattern,
        device=settings.device,
        engine_cache=Path(cache).expanduser() if cache else None,
    )


def trusted_keys(settings: RuntimeFields) -> TrustedKeys | None:
    """Read the keys one of which must have signed a model, None where none has to.

    Raises:
        FieldError: A signature is asked for, but no file of keys is given.
    """
    if not settings.require_signed:
        return None
    if not settings.trusted_keys:
        raise FieldError(
            "parameter trusted_keys: found ''; expected a file of public keys, since "
            'require_signed is true. Set it, or set require_signed to false.'
        )
    return load_trusted_keys(Path(settings.trusted_keys).expanduser())
