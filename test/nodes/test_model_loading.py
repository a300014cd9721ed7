# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""A task node loads its model as its parameters say, signature included."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from rs_onboard.inference.errors import FieldError, SignatureError
from rs_onboard.inference.runtime_settings import RuntimeSettings
from rs_onboard.nodes.model_loading import load_task_model, runtime_settings, trusted_keys
from rs_onboard.nodes.model_settings import SceneSettings

MODEL = Path(__file__).parents[1] / 'data' / 'models' / 'colour-scene'


def test_the_defaults_of_the_parameters_are_those_of_the_runtime():
    assert runtime_settings(SceneSettings()) == RuntimeSettings()


def test_every_setting_of_the_runtime_is_a_parameter():
    settings = SceneSettings(
        provider='tensorrt',
        provider_policy='warn',
        threads=3,
        spinning=True,
        arena=False,
        memory_pattern=True,
        device=1,
        engine_cache='~/engines',
    )
    found = runtime_settings(settings)
    assert found == RuntimeSettings(
        'tensorrt', 'warn', 3, True, False, True, 1, Path('~/engines').expanduser()
    )
    same = [
        field.name
        for field in dataclasses.fields(RuntimeSettings)
        if getattr(found, field.name) == getattr(RuntimeSettings(), field.name)
    ]
    assert same == []


def test_a_signature_is_asked_for_by_parameter_and_needs_keys(tmp_path):
    pytest.importorskip('cryptography')
    from rs_onboard.inference.signature import generate_key, sign_folder

    folder = shutil.copytree(MODEL, tmp_path / 'model')
    signer = generate_key(tmp_path / 'key', tmp_path / 'key.pub')
    plain = SceneSettings(model=str(folder), threads=1)
    lines = []
    assert load_task_model(plain, 'scene', lines.append).signed_by == ''
    asked = dataclasses.replace(plain, require_signed=True, trusted_keys=str(tmp_path / 'key.pub'))
    with pytest.raises(SignatureError, match='no signature, but require_signed asks for one'):
        load_task_model(asked, 'scene', lines.append)
    sign_folder(folder, tmp_path / 'key')
    assert load_task_model(asked, 'scene', lines.append).signed_by == signer
    assert trusted_keys(plain) is None
    with pytest.raises(FieldError, match=r"parameter trusted_keys: found ''; expected a file of"):
        load_task_model(dataclasses.replace(asked, trusted_keys=''), 'scene', lines.append)
