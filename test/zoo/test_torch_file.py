# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Files of torch.save, zipped and legacy, whole and broken."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

torch = pytest.importorskip('torch')

from checkpoints import legacy, pretend_cuda, zipped  # noqa: E402

from rs_onboard.zoo.errors import CheckpointError  # noqa: E402
from rs_onboard.zoo.torch_file import read_torch_file  # noqa: E402

TENSOR = (
    b'\x80\x02ctorch._utils\n_rebuild_tensor_v2\n((X\x07\x00\x00\x00storagectorch\n%s\n'
    b'X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK%ctQK%c(%st(%st\x89NtR.'
)


def tensor_pickle(kind=b'FloatStorage', count=4, offset=0, shape=(4,), strides=(1,)) -> bytes:
    sizes, steps = (b''.join(b'K%c' % n for n in values) for values in (shape, strides))
    return TENSOR % (kind, count, offset, sizes, steps)


def all_kinds() -> dict[str, object]:
    base = torch.randn(6, 7)
    return {
        'plain': base,
        'transposed view': base.t()[1:4],
        'parameter': torch.nn.Parameter(torch.ones(2, 2)),
        'half': torch.randn(3).half(),
        'bfloat16': torch.randn(4).bfloat16(),
        'double': torch.tensor(3.5, dtype=torch.float64),
        'long': torch.arange(5),
        'int': torch.arange(5, dtype=torch.int32),
        'bytes': torch.arange(5, dtype=torch.uint8),
        'bool': torch.tensor([True, False]),
        'empty': torch.zeros(0, 3),
    }


@pytest.mark.parametrize('protocol', [2, 4])
@pytest.mark.parametrize('zipped_file', [True, False])
def test_tensors_of_every_type_are_read_as_torch_reads_them(tmp_path, zipped_file, protocol):
    values = all_kinds()
    path = tmp_path / 'x.pth'
    torch.save(
        {'model': values, 'epoch': 3},
        path,
        _use_new_zipfile_serialization=zipped_file,
        pickle_protocol=protocol,
    )
    file = read_torch_file(path)
    assert file.content['epoch'] == 3
    for name, view in file.content['model'].items():
        expected = values[name].detach()
        expected = expected.float() if expected.dtype == torch.bfloat16 else expected
        found = file.array(view)
        assert found.dtype == expected.numpy().dtype, name
        assert np.array_equal(found, expected.numpy()), name


def test_location_tags_of_a_gpu_do_not_matter(tmp_path):
    torch.save({'a': torch.arange(3.0)}, tmp_path / 'cpu.pth')
    pretend_cuda(tmp_path / 'cpu.pth', tmp_path / 'gpu.pth')
    file = read_torch_file(tmp_path / 'gpu.pth')
    assert file.array(file.content['a']).tolist() == [0, 1, 2]


def test_big_endian_storages_are_swapped(tmp_path):
    path = zipped(tmp_path / 'x.pth', tensor_pickle(), {'0': np.arange(4, dtype='>f4').tobytes()})
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('archive/byteorder', 'big')
    file = read_torch_file(path)
    assert file.array(file.content).tolist() == [0, 1, 2, 3]


def test_legacy_views_of_a_storage_start_where_they_say(tmp_path):
    reference = (
        b'\x80\x02ctorch._utils\n_rebuild_tensor\n((X\x07\x00\x00\x00storagectorch\nFloatStorage\n'
        b'X\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x06(X\x01\x00\x00\x00vK\x02K\x03ttQ'
        b'K\x00(K\x03t(K\x01ttR.'
    )
    path = legacy(tmp_path / 'x.pth', reference, {'0': np.arange(6, dtype='<f4').tobytes()})
    file = read_torch_file(path)
    assert file.array(file.content).tolist() == [2, 3, 4]


@pytest.mark.parametrize('zipped_file', [True, False])
def test_every_truncation_is_one_clear_error(tmp_path, zipped_file):
    path = tmp_path / 'whole.pth'
    torch.save(
        {'a': torch.randn(40), 'b': torch.randn(9)},
        path,
        _use_new_zipfile_serialization=zipped_file,
    )
    whole = path.read_bytes()
    for length in [0, 1, 3, 10, *range(20, len(whole), 97), len(whole) - 1]:
        cut = tmp_path / 'cut.pth'
        cut.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r'cut\.pth: ') as caught:
            read_torch_file(cut)
        assert '\n' not in str(caught.value)


def test_damaged_bytes_are_found_by_their_checksum(tmp_path):
    path = tmp_path / 'x.pth'
    torch.save({'a': torch.zeros(64)}, path)
    data = path.read_bytes()
    where = data.index(b'\0' * 256) + 100
    path.write_bytes(data[:where] + b'\x55' + data[where + 1 :])
    file = read_torch_file(path)
    with pytest.raises(CheckpointError, match=r"data/0' is truncated or damaged \(Bad CRC-32"):
        file.array(file.content['a'])


@pytest.mark.parametrize(
    ('data', 'fragment'),
    [
        (tensor_pickle(shape=(5,)), r'shape \(5,\) reaches beyond the 4 values'),
        (tensor_pickle(offset=1), r'reaches beyond'),
        (tensor_pickle(shape=(3, 3), strides=(0, 1)), r'reaches beyond'),
        (tensor_pickle(count=5, shape=(5,)), r'16 bytes, but 5 values of FloatStorage'),
    ],
)
def test_tensors_beyond_their_storage_are_refused(tmp_path, data, fragment):
    file = read_torch_file(zipped(tmp_path / 'x.pth', data, {'0': bytes(16)}))
    with pytest.raises(CheckpointError, match=fragment):
        file.array(file.content)


@pytest.mark.parametrize(
    ('data', 'fragment'),
    [
        (tensor_pickle(kind=b'ComplexFloatStorage'), r'type torch\.ComplexFloatStorage; expected'),
        (tensor_pickle(shape=(4,), strides=(1, 1)), 'unequal lengths'),
        (b'\x80\x02K\x01Q.', 'a reference that is no storage'),
        (b'\x80\x02cos\nsystem\n.', r'refused: it names os\.system'),
    ],
)
def test_pickles_that_are_no_tensors_are_refused(tmp_path, data, fragment):
    with pytest.raises(CheckpointError, match=fragment):
        read_torch_file(zipped(tmp_path / 'x.pth', data))
    with pytest.raises(CheckpointError, match=fragment):
        read_torch_file(legacy(tmp_path / 'y.pth', data))


def test_a_missing_storage_is_named(tmp_path):
    file = read_torch_file(zipped(tmp_path / 'x.pth', tensor_pickle()))
    with pytest.raises(CheckpointError, match="'archive/data/0' is missing; the file is incompl"):
        file.array(file.content)


def test_other_files_are_no_checkpoints(tmp_path):
    for name, data, fragment in (
        ('empty', b'', 'an empty file is no checkpoint'),
        ('page', b'<!DOCTYPE html>', r"starts with b'<!DO' is no checkpoint"),
        ('pickle', pickle.dumps({'a': 1}, 2), r'a pickle without the mark of torch\.save'),
    ):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=fragment):
            read_torch_file(tmp_path / name)
    with zipfile.ZipFile(tmp_path / 'zip', 'w') as archive:
        archive.writestr('readme', 'x')
    with pytest.raises(CheckpointError, match=r'a zip with 0 data\.pkl is no checkpoint'):
        read_torch_file(tmp_path / 'zip')
    with pytest.raises(FileNotFoundError):
        read_torch_file(tmp_path / 'absent')


def test_compressed_members_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / 'x.pth', 'w', zipfile.ZIP_DEFLATED) as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02N.')
    with pytest.raises(CheckpointError, match=r"'archive/data\.pkl' is compressed"):
        read_torch_file(tmp_path / 'x.pth')
