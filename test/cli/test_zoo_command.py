# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands `rs_onboard zoo list`, `import` and `check`, and errors of the command line."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from rs_onboard.cli.main import main

GOLDEN = Path(__file__).parents[1] / 'data' / 'golden'


def needs_torch():
    torch = pytest.importorskip('torch')
    torch.set_num_threads(1)
    return torch


def test_list_prints_ours_beside_the_published_figures_and_why_they_differ(capsys):
    needs_torch()
    assert main(['zoo', 'list', 'lsnet_difffpn', 'dnas_l12']) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith('lsnet_difffpn'))
    assert ' '.join(row.split()) == (
        'lsnet_difffpn change 2 3 1,216,848 1.208 M 256x256 4.732 5.215 multiples of 8 from 8'
    )
    assert '- dnas_l12: none stated by the authors' in out
    assert '- dnas_l12: the published figures are those without the edge stem -> (8,0)' in out


def test_check_prints_a_row_an_output_and_fails_where_one_differs(tmp_path, capsys):
    needs_torch()
    shutil.copy(GOLDEN / 'dnas_decode3.npz', tmp_path)
    shutil.copy(GOLDEN / 'segghostnet_ued.npz', tmp_path / 'unknown_thing.npz')
    assert main(['zoo', 'check', '--golden', str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert 'case 0 cell_ops' in out
    (tmp_path / 'dnas_l12.npz').write_bytes(b'')
    assert main(['zoo', 'check', '--golden', str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert 'DIFFERS: ' in out
    assert '2 files agree, 1 differ, 0 are unknown' in out


def test_check_of_unknown_files_alone_is_no_success(tmp_path, capsys):
    needs_torch()
    (tmp_path / 'other.npz').write_bytes(b'')
    assert main(['zoo', 'check', '--golden', str(tmp_path)]) == 1
    assert 'unknown: of no network of the zoo' in capsys.readouterr().out


def test_import_reports_every_key_and_writes_the_checkpoint(tmp_path, capsys):
    torch = needs_torch()
    from rs_onboard.zoo.catalogue import NETWORKS

    state = NETWORKS['segghostnet_ued'].build(classes=2).state_dict()
    state['extra.weight'] = torch.ones(2)
    torch.save({'model_state_dict': state}, tmp_path / 'x.pth')
    out = tmp_path / 'y.safetensors'
    command = ['zoo', 'import', str(tmp_path / 'x.pth'), '--network', 'segghostnet_ued']
    assert main([*command, '--out', str(out)]) == 2
    captured = capsys.readouterr()
    assert captured.out.startswith('557 matched\n0 missing\n1 unexpected\n  extra.weight\n')
    assert captured.err.startswith('rs_onboard: error: ')
    assert '--allow-partial' in captured.err
    assert captured.err.count('\n') == 1
    assert not out.exists()
    command += [
        '--out',
        str(out),
        '--allow-partial',
        '--classes',
        'bare soil',
        'field',
        '--verbose',
    ]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert '  base_network.conv_stem.weight -> ' in printed
    assert printed.endswith('segghostnet_ued, 2 classes, 3 bands\n')
    assert out.exists()


@pytest.mark.parametrize(
    ('options', 'fragment'),
    [
        (['--network', 'unet'], "network 'unet' is not in the zoo; expected one of"),
        (['--network', 'dnas_l12', '--classes', 'a,,b'], "--classes 'a,,b': expected different"),
        (['--network', 'dnas_l12', '--classes', '0'], "--classes '0': expected different"),
        (['--network', 'dnas_l12'], 'absent.pth'),
    ],
)
def test_wrong_arguments_are_one_line_and_status_two(options, fragment, tmp_path, capsys):
    needs_torch()
    assert main(['zoo', 'import', str(tmp_path / 'absent.pth'), *options]) == 2
    err = capsys.readouterr().err
    assert err.startswith('rs_onboard: error: ')
    assert fragment in err
    assert err.count('\n') == 1


@pytest.mark.parametrize(
    'command',
    [['list'], ['check', '--golden', '.'], ['import', 'x.pth', '--network', 'dnas_l12']],
)
def test_without_torch_one_line_says_what_to_install(command):
    program = (
        'import sys; sys.modules["torch"] = None; from rs_onboard.cli.main import main; '
        f'sys.exit(main({["zoo", *command]!r}))'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert result.stdout == ''
    assert result.stderr.startswith('rs_onboard: error: the zoo')
    assert 'pip install torch' in result.stderr
    assert result.stderr.count('\n') == 1


def test_help_starts_without_torch_numpy_and_ros():
    program = (
        'import sys\n'
        'for name in ("torch", "rclpy", "onnxruntime", "cv2"): sys.modules[name] = None\n'
        'from rs_onboard.cli.main import main\nmain(["zoo", "import", "--help"])'
    )
    result = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    assert '--allow-partial' in result.stdout
