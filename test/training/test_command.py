# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The command without torch."""

from __future__ import annotations

import subprocess
import sys

from small_sets import class_folders, recipe_file

WITHOUT_TORCH = """
import sys
sys.modules['torch'] = None
from rs_onboard.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


def test_training_without_torch_says_what_to_install(tmp_path):
    class_folders(tmp_path)
    recipe = str(recipe_file(tmp_path, 'scene'))
    arguments = ['train', recipe, '--data', str(tmp_path), '--out', 'run']
    done = subprocess.run(
        [sys.executable, '-c', WITHOUT_TORCH, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert 'error: the zoo (networks, training, export) needs torch' in done.stderr
    assert 'pip install torch' in done.stderr
