# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The commands `rs_onboard models ...`: what they print, write and refuse."""

from __future__ import annotations

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from rs_onboard.cli.main import main
from rs_onboard.inference.card import load_card

DATA = Path(__file__).parents[1] / 'data'
README = Path(__file__).parents[2] / 'README.md'
MODELS = DATA / 'models'
FACTS = [
    *('--side', '64', '--gsd', '0.3', '--origin', 'drawn at random', '--licence', 'Apache-2.0'),
    *('--data', 'Nothing; CC0-1.0; nowhere'),
]


@pytest.fixture
def folder(tmp_path):
    return shutil.copytree(MODELS / 'colour-scene', tmp_path / 'model')


def change_card(folder, **fields):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    (folder / 'card.yaml').write_text(yaml.safe_dump({**card, **fields}))


def needs_torch():
    torch = pytest.importorskip('torch')
    pytest.importorskip('onnx')
    torch.set_num_threads(1)
    return torch


def error_of(capsys):
    """Return the one line of error that a command left."""
    text = capsys.readouterr().err
    lines = [line for line in text.splitlines() if line.startswith('rs_onboard: error: ')]
    assert len(lines) == 1, text
    return lines[0]


def test_list_shows_every_model_of_a_folder_with_its_terms(capsys):
    assert main(['models', 'list', str(MODELS)]) == 0
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith('colour-segmentation'))
    assert row.split() == [
        *('colour-segmentation', 'segmentation', 'colour', '3', '128x128', 'or', 'other'),
        *('0.3', '(0.15', 'to', '0.6)', 'fp32', 'yes'),
    ]
    assert 'weights: Apache-2.0' in out


def test_list_of_the_shipped_models_shows_quality_with_its_interval(capsys):
    assert main(['models', 'list']) == 0
    out = capsys.readouterr().out
    assert 'scene-decouplenet-d0' in out
    assert 'accuracy 0.' in out


def test_untrained_weights_and_restrictions_catch_the_eye(folder, capsys):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    weights = {**card['weights'], 'restrictions': 'no commercial use'}
    change_card(folder, trained=False, weights=weights)
    assert main(['models', 'list', str(folder)]) == 0
    out = capsys.readouterr().out
    assert 'NO' in out
    assert 'restrictions: no commercial use' in out


def test_list_goes_on_after_a_broken_card(folder, capsys):
    shutil.copytree(MODELS / 'colour-segmentation', folder.parent / 'other')
    change_card(folder, tusk='scene')
    assert main(['models', 'list', str(folder.parent)]) == 1
    captured = capsys.readouterr()
    assert 'colour-segmentation' in captured.out
    assert 'unknown field' in captured.err


def test_the_table_in_the_readme_is_that_of_the_cards(capsys):
    assert main(['models', 'list', '--markdown']) == 0
    table = capsys.readouterr().out
    assert f'<!-- models list -->\n{table}<!-- /models list -->\n' in README.read_text(), (
        'run: rs_onboard models list --readme README.md'
    )


def test_a_baseline_stands_beside_the_figures(folder, capsys):
    card = yaml.safe_load((folder / 'card.yaml').read_text())
    card['variants']['fp32']['quality'] = {'accuracy': 0.9, 'accuracy_low': 0.8}
    change_card(
        folder,
        variants=card['variants'],
        baseline={'name': 'plain', 'training': 'the same', 'quality': {'accuracy': 0.7}},
    )
    assert main(['models', 'list', str(folder), '--markdown']) == 0
    assert '| accuracy [%]: fp32 90.0, plain 70.0 |' in capsys.readouterr().out
    assert main(['models', 'list', str(folder)]) == 0
    assert 'baseline plain: accuracy 0.700; the same' in capsys.readouterr().out


def test_verify_prints_a_line_a_variant(folder, capsys):
    assert main(['models', 'verify', str(folder)]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out == [
        'model fp32: ok on cpu, 1 and 5 tiles of 128x128, 16x16, 16x32, 144x112',
        '1 of 1 may fly',
    ]


def test_verify_goes_on_after_a_failure_and_says_so_at_the_end(folder, capsys):
    shutil.copytree(MODELS / 'colour-segmentation', folder.parent / 'other')
    (folder / 'fp32.onnx').write_bytes((folder / 'fp32.onnx').read_bytes()[:-7])
    assert main(['models', 'verify', str(folder.parent)]) == 1
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith('model fp32: FAILED: ')
    assert 'bytes' in first
    assert second.startswith('other fp32: ok')
    assert last == '1 of 2 may fly'


def test_verify_fails_a_folder_with_a_file_nobody_vouches_for(folder, capsys):
    (folder / 'int8.onnx').write_bytes(b'x')
    assert main(['models', 'verify', str(folder)]) == 1
    assert 'int8.onnx is in the folder, but not on the card. Remove it.' in capsys.readouterr().out


def test_verify_fails_a_broken_card_in_one_line(folder, capsys):
    change_card(folder, card=7)
    assert main(['models', 'verify', str(folder)]) == 1
    assert capsys.readouterr().out.splitlines()[0].startswith('model: FAILED: ')


def test_verify_fails_a_provider_that_is_not_there(folder, capsys):
    assert main(['models', 'verify', str(folder), '--provider', 'acl']) == 1
    assert "provider 'acl' cannot be had" in capsys.readouterr().out


def test_an_unknown_model_is_an_error_that_lists_the_shipped_ones(capsys):
    assert main(['models', 'verify', 'no-such-model']) == 2
    assert 'scene-decouplenet-d0' in error_of(capsys)


def test_a_folder_without_models_is_an_error(tmp_path, capsys):
    (tmp_path / 'empty').mkdir()
    assert main(['models', 'verify', str(tmp_path / 'empty')]) == 1
    assert 'card.yaml' in capsys.readouterr().out


def test_bench_writes_table_and_json_of_the_same_figures(folder, tmp_path, capsys):
    readme, figures = tmp_path / 'README.md', tmp_path / 'bench.json'
    readme.write_text('# x\n<!-- models bench -->\n<!-- /models bench -->\n')
    command = ['models', 'bench', str(folder), '--no-plain', '--threads', '1', '2', '--runs', '3']
    command += ['--batch', '1', '2', '--json', str(figures), '--readme', str(readme)]
    assert main([*command, '--markdown']) == 0
    printed = capsys.readouterr().out
    assert printed in readme.read_text()
    rows = json.loads(figures.read_text())['rows']
    assert [(row['threads'], row['batch']) for row in rows] == [(1, 1), (1, 2), (2, 1), (2, 2)]
    table = [line for line in printed.splitlines() if line.startswith('| colour-scene')]
    for row, line in zip(rows, table, strict=True):
        assert f'| {row["batch"]} x {row["height"]} x {row["width"]} |' in line
        assert row['runs'] == 3


def test_bench_writes_timings_into_the_cards_and_leaves_the_rest(folder):
    change_card(folder, name='timed')
    before = load_card(folder)
    command = ['models', 'bench', str(folder), '--no-plain', '--threads', '1', '2', '--runs', '2']
    assert main([*command, '--cards']) == 0
    after = load_card(folder)
    rows = after.variants['fp32'].latencies
    assert [(row.threads, row.batch, row.height) for row in rows] == [(1, 1, 128), (2, 1, 128)]
    assert all(row.p50_ms >= 0 and row.machine for row in rows)
    fp32 = dataclasses.replace(after.variants['fp32'], latencies=())
    assert dataclasses.replace(after, variants={'fp32': fp32}) == before


def test_bench_goes_on_after_a_model_that_cannot_be_loaded(folder, capsys):
    shutil.copytree(MODELS / 'colour-segmentation', folder.parent / 'other')
    (folder / 'fp32.onnx').write_bytes((folder / 'fp32.onnx').read_bytes()[:-7])
    command = ['models', 'bench', str(folder.parent), '--no-plain', '--runs', '2']
    assert main(command) == 1
    captured = capsys.readouterr()
    assert 'rs_onboard: error: model: ' in captured.err
    assert 'colour-segmentation' in captured.out


def test_bench_refuses_a_count_that_is_none(folder, capsys):
    assert main(['models', 'bench', str(folder), '--runs', '0']) == 2
    assert '--runs: found 0' in error_of(capsys)


def test_without_torch_what_flies_is_listed_verified_and_timed(folder):
    script = f"""
import sys
for name in ('torch', 'onnx', 'safetensors'):
    sys.modules[name] = None
from rs_onboard.cli.main import main
print(main(['models', 'list', {str(folder)!r}]))
print(main(['models', 'verify', {str(folder)!r}]))
print(main(['models', 'bench', {str(folder)!r}, '--runs', '2']))
print(main(['models', 'export', 'decouplenet_d0', '--weights', 'x.pt', '--out', 'x']))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, '-c', script], capture_output=True, text=True, check=True, cwd=root
    )
    statuses = [line for line in done.stdout.splitlines() if line.isdigit()]
    assert statuses == ['0', '0', '0', '2']
    assert 'no plain export of colour-scene: the zoo' in done.stderr
    assert 'pip install torch' in done.stderr


def test_bench_times_a_plain_export_in_the_same_rounds(capsys):
    needs_torch()
    command = ['models', 'bench', '--only-networks', '--networks', 'decouplenet_d0', '--runs', '2']
    assert main(command) == 0
    header, ours, plain = capsys.readouterr().out.splitlines()
    assert header.split()[-2:] == ['of', 'plain']
    assert ours.startswith('decouplenet_d0 (untrained)  fp32')
    assert float(ours.split()[-1]) > 0
    assert plain.split()[-1] == '-'


def write_weights(path, name='segghostnet_ued', classes=('soil', 'field'), missing=()):
    from rs_onboard.zoo.catalogue import network
    from rs_onboard.zoo.checkpoint import CheckpointInfo, write_checkpoint

    built = network(name).build(classes=len(classes))
    info = CheckpointInfo(name, tuple(classes), 3, '', '', missing=tuple(missing))
    write_checkpoint(path, built.state_dict(), info)
    return path


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    torch = needs_torch()
    torch.manual_seed(0)
    return write_weights(tmp_path_factory.mktemp('weights') / 'x.safetensors')


def export(weights, out, *more):
    return main(
        ['models', 'export', 'segghostnet_ued', '--weights', str(weights), '--out', str(out), *more]
    )


def test_export_writes_a_folder_that_flies(weights, tmp_path, capsys):
    out = tmp_path / 'fields'
    limits = ['--limit', 'knows nothing', '--restrictions', 'none', '--gsd-range', '0.2', '0.5']
    assert export(weights, out, *FACTS, *limits, '--images', str(DATA / 'tiles')) == 0
    assert f'images in {DATA / "tiles"}' in capsys.readouterr().out
    card = yaml.safe_load((out / 'card.yaml').read_text())
    assert card['name'] == 'fields'
    assert card['gsd'] == {'trained_m': 0.3, 'low_m': 0.2, 'high_m': 0.5}
    assert [entry['name'] for entry in card['classes']] == ['soil', 'field']
    assert card['limits'] == ['knows nothing']
    assert main(['models', 'verify', str(out)]) == 0
    assert export(weights, out, *FACTS) == 2
    assert 'already holds a model (card.yaml, fp32.onnx)' in error_of(capsys)
    assert export(weights, out, *FACTS, '--force', '--classes', 'a', 'b') == 0
    captured = capsys.readouterr()
    assert 'compared with torch on synthetic ground' in captured.out
    assert 'pass --images' in captured.err
    names = [entry['name'] for entry in yaml.safe_load((out / 'card.yaml').read_text())['classes']]
    assert names == ['a', 'b']


def test_a_card_file_gives_the_facts_and_options_win(weights, tmp_path):
    card = tmp_path / 'x.card.yaml'
    card.write_text(
        yaml.safe_dump(
            {
                'summary': 'Fields.',
                'input': {'side': 96, 'minimum': 32},
                'gsd': {'trained_m': 0.3, 'low_m': 0.1, 'high_m': 0.4},
                'colors': {'soil': [1, 2, 3]},
                'weights': {
                    'origin': 'me',
                    'licence': 'MIT',
                    'data': [{'name': 'x', 'licence': 'y', 'origin': 'z'}],
                },
                'evaluation': 'none',
                'limits': ['all'],
            }
        )
    )
    assert export(weights, tmp_path / 'm', '--card', str(card), '--side', '64') == 0
    written = yaml.safe_load((tmp_path / 'm' / 'card.yaml').read_text())
    assert (written['input']['height'], written['input']['minimum']) == (64, 32)
    assert written['classes'][0]['color'] == [1, 2, 3]
    assert written['weights']['licence'] == 'MIT'


def test_every_missing_fact_is_named_with_its_option(weights, tmp_path, capsys):
    assert export(weights, tmp_path / 'm', '--side', '64', '--licence', 'MIT') == 2
    message = error_of(capsys)
    for option in ('--gsd', '--origin', '--data'):
        assert option in message
    assert '--side' not in message
    assert not (tmp_path / 'm').exists()


def test_nameless_classes_must_be_named(tmp_path, capsys):
    needs_torch()
    path = write_weights(tmp_path / 'x.safetensors', classes=('class_0', 'class_1'))
    assert export(path, tmp_path / 'm', *FACTS) == 2
    assert '--classes (names; the weights have 2 without)' in error_of(capsys)
    assert export(path, tmp_path / 'm', *FACTS, '--classes', 'a', 'b', 'c') == 2
    assert 'found 3 names; the weights have 2 classes' in error_of(capsys)


def test_weights_of_another_network_are_refused(weights, tmp_path, capsys):
    command = ['models', 'export', 'decouplenet_d0', '--weights', str(weights), *FACTS]
    assert main([*command, '--out', str(tmp_path / 'm')]) == 2
    assert 'weights of segghostnet_ued; expected those of decouplenet_d0' in error_of(capsys)


def test_an_unknown_network_is_refused(weights, tmp_path, capsys):
    command = ['models', 'export', 'resnet', '--weights', str(weights), *FACTS]
    assert main([*command, '--out', str(tmp_path / 'm')]) == 2
    assert "'resnet' is not in the zoo" in error_of(capsys)


def test_weights_that_were_never_trained_are_refused(tmp_path, capsys):
    needs_torch()
    path = write_weights(tmp_path / 'x.safetensors', missing=('head.weight',))
    assert export(path, tmp_path / 'm', *FACTS) == 2
    assert '1 entries were not in the file it was imported from' in error_of(capsys)


@pytest.mark.parametrize('content', [b'', b'PK\x03\x04 nonsense', b'\x80\x02}q\x00.'])
def test_a_file_that_is_no_training_run_is_refused(tmp_path, content, capsys):
    needs_torch()
    (tmp_path / 'best.pt').write_bytes(content)
    assert export(tmp_path / 'best.pt', tmp_path / 'm', *FACTS) == 2
    message = error_of(capsys)
    assert 'best.pt' in message
    assert 'rs_onboard zoo import' in message


def test_weights_of_a_training_run_carry_their_classes(tmp_path):
    torch = needs_torch()
    from rs_onboard.zoo.catalogue import network

    state = network('segghostnet_ued').build(classes=2).state_dict()
    saved = {'model': state, 'network': 'segghostnet_ued', 'classes': ['a', 'b']}
    torch.save({**saved, 'epoch': 3, 'recipe': 'mine'}, tmp_path / 'best.pt')
    assert export(tmp_path / 'best.pt', tmp_path / 'm', *FACTS) == 0
    card = yaml.safe_load((tmp_path / 'm' / 'card.yaml').read_text())
    assert card['variants']['fp32']['note'] == 'epoch 3 of recipe mine'
    assert [entry['name'] for entry in card['classes']] == ['a', 'b']


@pytest.mark.parametrize(
    ('options', 'fragment'),
    [
        (['--side', '4'], 'input.side: found 4'),
        (['--gsd', '0'], 'gsd.trained_m'),
        (['--data', 'one; two'], "expected 'NAME; LICENCE; ORIGIN'"),
        (['--mean', '0.5', '--std', '1'], 'expected 3 values each'),
        (['--mean', '0', '0', '0', '--std', '1', '1', '0'], 'standard deviations above 0'),
        (['--images', 'no/such/folder'], 'found no such folder; expected images'),
        (['--classes', 'a', 'a'], 'expected different names'),
        (['--card', 'no.yaml'], 'no such card text'),
    ],
)
def test_a_wrong_fact_is_refused_by_name(weights, tmp_path, options, fragment, capsys):
    assert export(weights, tmp_path / 'm', *FACTS, *options) == 2
    assert fragment in error_of(capsys)
    assert not (tmp_path / 'm').exists()


def test_images_that_cannot_be_read_are_refused(weights, tmp_path, capsys):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'a.png').write_bytes(b'no image')
    assert export(weights, tmp_path / 'm', *FACTS, '--images', str(tmp_path / 'images')) == 2
    assert 'a.png: not a readable image' in error_of(capsys)


def test_a_graph_that_differs_from_torch_is_not_written(weights, tmp_path, monkeypatch, capsys):
    from rs_onboard.zoo import make_folder
    from rs_onboard.zoo.export import Normalisation

    export_model = make_folder.export_model

    def wrong(entry, network, **options):
        options['normalisation'] = Normalisation((0.1,) * 3, (0.5,) * 3)
        return export_model(entry, network, **options)

    monkeypatch.setattr(make_folder, 'export_model', wrong)
    assert export(weights, tmp_path / 'm', *FACTS) == 2
    assert 'exported graph differs from torch' in error_of(capsys)
    assert not (tmp_path / 'm').exists()


def test_a_signature_covers_the_folder_and_a_broken_one_gets_none(folder, tmp_path, capsys):
    pytest.importorskip('cryptography')
    key = tmp_path / 'key.pem'
    assert main(['models', 'keygen', str(key)]) == 0
    assert (tmp_path / 'key.pem.pub').is_file()
    assert main(['models', 'keygen', str(key)]) == 2
    assert 'found a file; expected none' in error_of(capsys)
    assert main(['models', 'sign', str(folder), '--key', str(key)]) == 0
    assert (folder / 'card.yaml.sig').stat().st_size == 64
    verify = ['models', 'verify', str(folder), '--trusted-keys', str(tmp_path / 'key.pem.pub')]
    assert main(verify) == 0
    change_card(folder, summary='Another one.')
    assert main(verify) == 1
    assert 'that no key of' in capsys.readouterr().out
    (folder / 'card.yaml.sig').unlink()
    assert main(verify) == 1
    assert 'no signature' in capsys.readouterr().out
    (folder / 'fp32.onnx').write_bytes(b'')
    assert main(['models', 'sign', str(folder), '--key', str(key)]) == 1
    assert not (folder / 'card.yaml.sig').exists()


def test_build_says_what_it_does_and_what_is_missing(folder, capsys, monkeypatch):
    import onnxruntime

    from rs_onboard.inference import model

    command = ['models', 'build', str(folder), '--batch', '3']
    assert main([*command, '--variants', 'int8']) == 0
    assert '0 of 0 are ready' in capsys.readouterr().out
    if 'TensorrtExecutionProvider' not in onnxruntime.get_available_providers():
        assert main(command) == 1
        assert "provider 'tensorrt' cannot be had" in capsys.readouterr().out

    def load(place, *, progress, batch, settings, **_):
        progress(f'building for {batch} tiles on {settings.provider}')

    monkeypatch.setattr(model, 'load_model', load)
    assert main(command) == 0
    out = capsys.readouterr().out
    assert '1 of 1: colour-scene fp32' in out
    assert 'building for 3 tiles on tensorrt' in out
    assert '1 of 1 are ready' in out


def test_synthetic_images_have_the_bands_of_the_network():
    from rs_onboard.cli.models.images import images_of

    images, what = images_of(None, (32, 48), 4)
    assert {image.shape for image in images} == {(32, 48, 4)}
    assert what == 'synthetic ground'
