# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The replay command: same bag same bytes, expectations, and input that is not as it should be."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / 'replay'))

from recordings import MAKER, S, frames, points, record

from flights import COLOURS, START, entries, flight, tag
from rs_onboard.cli.main import main
from rs_onboard.replay.expectations.recorded import RecordedRun
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.run_facts import RunFacts
from rs_onboard.replay.topics import IMU, TF_MESSAGE, TOPICS

ROOT = Path(__file__).resolve().parents[2]
TINY = ROOT / 'test' / 'data' / 'bags_tiny'
SAME = ('results.jsonl', 'results.geojson', 'results.gpkg', 'run.json', 'results/results.mcap')


def replay(bag, out, *options, colours=True):
    """Replay a bag; return the exit status and the folder of its results."""
    arguments = ['replay', str(bag), f'--out={out}', *(COLOURS if colours else ())]
    return main([*arguments, *map(str, options)]), out / bag.stem


def bytes_of(folder):
    pictures = sorted((folder / 'pictures').iterdir())
    return [(folder / name).read_bytes() for name in SAME] + [x.read_bytes() for x in pictures]


@pytest.fixture
def bag(tmp_path):
    return flight(tmp_path / 'flight')


def test_every_image_gets_its_result_and_a_page_tells_of_it(tmp_path, bag, capsys):
    status, out = replay(bag, tmp_path / 'out')
    assert status == 0
    assert '4 in, 4 out' in capsys.readouterr().out
    records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    assert [r['stamp_ns'] for r in records] == [START + n * S // 2 for n in range(4)]
    assert all(r['pose']['height_m'] == 40.0 for r in records)
    assert all(len(r['footprint']['corners']) == 4 for r in records)
    assert all(r['scene']['status'] == 'ok' for r in records)
    assert any(r['detection']['objects'] for r in records)
    assert 'latency_ms' not in json.dumps(records)
    timings = [json.loads(line) for line in (out / 'timings.jsonl').read_text().splitlines()]
    assert [t['stamp_ns'] for t in timings] == [r['stamp_ns'] for r in records]
    assert all(t['latency_ms'] > t['scene']['infer'] > 0 for t in timings)
    assert len(list((out / 'pictures').glob('*.jpg'))) == 4
    assert 'colour-detection' in (out / 'index.html').read_text(encoding='utf-8')
    facts = RunFacts.read(out)
    assert (facts.images, facts.results, facts.drops, facts.damage) == (4, 4, {}, '')
    with Bag(out / 'results') as results:
        counts = {name: topic.count for name, topic in results.topics.items()}
        assert counts['/scene'] == counts['/detections'] == counts['/segmentation'] == 4
        assert counts['/overlay/compressed'] == counts['/geojson'] == 4
        assert counts['/detection/label_info'] == counts['/diagnostics'] == 1
        (said,) = [results.decode(x) for x in results.messages(('/diagnostics',))]
        values = {x.key: x.value for x in said.status[0].values}
        assert (said.status[0].name, values['received']) == ('tiler: perception', '4')


def test_the_same_bag_gives_the_same_bytes_with_any_number_of_threads(tmp_path, bag):
    folders = [
        replay(bag, tmp_path / f'out{number}', f'--set=threads={threads}')[1]
        for number, threads in enumerate((1, 1, 3))
    ]
    first, *others = [bytes_of(folder) for folder in folders]
    for other in others:
        assert other == first


def test_the_shipped_models_give_the_same_bytes_with_any_number_of_threads(tmp_path):
    bag = ROOT / 'flights' / 'brighton_beach'
    folders = [
        replay(bag, tmp_path / f'out{threads}', f'--set=threads={threads}', colours=False)[1]
        for threads in (1, 2)
    ]
    assert bytes_of(folders[0]) == bytes_of(folders[1])


def test_the_bundled_flight_is_as_its_expectations_say(tmp_path, capsys):
    flights = ROOT / 'flights'
    expected = f'--expect={flights / "brighton_beach.expect.yaml"}'
    status, _ = replay(flights / 'brighton_beach', tmp_path, expected, colours=False)
    captured = capsys.readouterr()
    assert status == 0, captured.err
    assert '14 frames; alarms: 0 true, 0 missed, 0 false' in captured.out


def test_a_file_with_every_parameter_at_its_default_changes_nothing(tmp_path, bag):
    _, plain = replay(bag, tmp_path / 'plain')
    status, full = replay(bag, tmp_path / 'full', f'--params={ROOT / "params/perception.yaml"}')
    assert status == 0
    assert (full / 'results.jsonl').read_bytes() == (plain / 'results.jsonl').read_bytes()


def test_an_earlier_run_in_the_same_folder_is_replaced(tmp_path, bag):
    _, out = replay(bag, tmp_path / 'out')
    once = bytes_of(out)
    status, _ = replay(bag, tmp_path / 'out')
    assert status == 0
    assert bytes_of(out) == once
    assert not list(out.glob('results.1.*'))


@pytest.mark.parametrize('name', ['test_bag_mcap.mcap', 'test_bag_sqlite3.db3'])
def test_recordings_of_rosbag2_are_read_in_both_formats(tmp_path, name, capsys):
    # Their images are one pixel, their camera is none: results say so, and all is kept.
    status, out = replay(TINY / name, tmp_path / 'out', '--tasks=scene')
    facts = RunFacts.read(out)
    assert status in {0, 1}, capsys.readouterr().err
    assert facts.images == facts.results + sum(facts.drops.get('tiler', {}).values()) > 0


def in_ros_1(message, type_name, store):
    """Make the message of ROS 1 with the values of one of ROS 2."""
    if type_name == 'std_msgs/msg/Header':
        kind = store.types['builtin_interfaces/msg/Time']
        stamp = kind(sec=message.stamp.sec, nanosec=message.stamp.nanosec)
        return store.types[type_name](seq=0, stamp=stamp, frame_id=message.frame_id)
    values = {}
    for name, (node, details) in store.fielddefs[type_name][1]:
        # CameraInfo has D, K, R and P there.
        value = getattr(message, name, getattr(message, name.lower(), None))
        values[name] = in_ros_1(value, details, store) if node.name == 'NAME' else value
    return store.types[type_name](**values)


def test_a_bag_of_ros_1_gives_the_same_results(tmp_path, bag):
    from rosbags.rosbag1 import Writer
    from rosbags.typesys import Stores, get_typestore

    store = get_typestore(Stores.ROS1_NOETIC)
    path = tmp_path / 'flight.bag'
    with Bag(bag) as recorded, Writer(path) as writer:
        connections = {
            name: writer.add_connection(name, topic.type_name, typestore=store)
            for name, topic in recorded.topics.items()
        }
        for message in recorded.messages():
            kind = message.type_name
            data = store.serialize_ros1(in_ros_1(recorded.decode(message), kind, store), kind)
            writer.write(connections[message.topic], message.log_time_ns, data)
    status, old = replay(path, tmp_path / 'out1')
    assert status == 0
    _, new = replay(bag, tmp_path / 'out2')
    assert (old / 'results.jsonl').read_bytes() == (new / 'results.jsonl').read_bytes()


def test_golden_results_are_written_once_and_met_again(tmp_path, bag, capsys):
    expected = tmp_path / 'flight.expect.yaml'
    status, _ = replay(bag, tmp_path / 'out', f'--expect={expected}', '--update')
    assert status == 0
    assert 'golden results' in capsys.readouterr().out
    status, _ = replay(bag, tmp_path / 'out', f'--expect={expected}')
    assert status == 0
    out = capsys.readouterr().out
    assert f'as expected by {expected}: 4 frames; alarms: 0 true, 0 missed, 0 false' in out


def test_another_result_is_told_frame_by_frame(tmp_path, bag, capsys):
    expected = tmp_path / 'flight.expect.yaml'
    replay(bag, tmp_path / 'out', f'--expect={expected}', '--update')
    status, out = replay(
        bag, tmp_path / 'out', f'--expect={expected}', '--set=detection.score=0.97'
    )
    assert status == 1
    error = capsys.readouterr().err
    assert f'differences from {expected}' in error
    assert 'objects missing, allowed 0' in error
    assert (out / 'differences.txt').read_text(encoding='utf-8').startswith(error.split(' ')[0])
    # A comment in the file survives an update, and the update makes the new results golden.
    expected.write_text(f'# mine\n{expected.read_text()}', encoding='utf-8')
    more = [f'--expect={expected}', '--set=detection.score=0.97']
    assert replay(bag, tmp_path / 'out', *more, '--update')[0] == 0
    assert replay(bag, tmp_path / 'out', *more)[0] == 0
    assert expected.read_text(encoding='utf-8').startswith('# mine\n')


def test_a_changed_mask_a_lost_mask_and_a_slow_stage_are_told(tmp_path, bag, capsys):
    expected = tmp_path / 'flight.expect.yaml'
    _, out = replay(bag, tmp_path / 'out', f'--expect={expected}', '--update')
    text = expected.read_text(encoding='utf-8')
    limits = 'latency_ms: {frame: {mean: 0.001}, scene infer: {max: 0.001}}'
    expected.write_text(text.replace('latency_ms: {}', limits), encoding='utf-8')
    folder = tmp_path / 'flight.expect.golden' / 'masks'
    first, second, *_ = sorted(folder.iterdir())
    import cv2

    mask = cv2.imread(str(first), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(first), np.full_like(mask, 2))
    second.rename(folder / second.name.replace('segmentation', 'change'))
    capsys.readouterr()
    assert replay(bag, tmp_path / 'out', f'--expect={expected}')[0] == 1
    error = capsys.readouterr().err
    assert 'blue: IoU' in error
    assert 'frame: mean' in error
    assert 'scene infer: max' in error
    assert len(list(RecordedRun(out).masks())) == 4


def test_alarms_are_true_missed_or_false(tmp_path, capsys):
    # No fix in the bag: every frame is degraded, which is an alarm of every task.
    bag = record(tmp_path / 'flight', [x for x in entries() if x[0] != TOPICS.fix])
    expected = tmp_path / 'flight.expect.yaml'
    assert replay(bag, tmp_path / 'out', f'--expect={expected}', '--update')[0] == 0
    text = expected.read_text(encoding='utf-8')
    assert 'fix_topic: nothing on' in text
    assert replay(bag, tmp_path / 'out', f'--expect={expected}')[0] == 0
    head = text[: text.index('alarms:')]
    alarms = 'alarms:\n  required:\n  - text: image scale used\n  - {source: bag, text: on fire}\n'
    expected.write_text(head + alarms, encoding='utf-8')
    capsys.readouterr()
    assert replay(bag, tmp_path / 'out', f'--expect={expected}')[0] == 1
    error = capsys.readouterr().err
    assert 'alarms: 1 true, 1 missed, 1 false' in error
    assert 'missed: bag: on fire' in error
    assert 'false: bag (warn, 1 times): fix_topic: nothing on' in error


def test_a_mount_from_static_frames_places_the_camera(tmp_path):
    # Straight down, the image top towards the nose.
    told = frames(('base_link', 'camera_optical', (0, 0, 0), (2**-0.5, -(2**-0.5), 0.0, 0.0)))
    found = [('/tf_static', TF_MESSAGE, told, START)]
    for number in range(3):
        time = START + number * S // 2
        found.append((TOPICS.imu, IMU, MAKER.imu(time, tag(number)), time))
    bag = record(tmp_path / 'flight', [*found, *(x for x in entries(3) if x[0] != TOPICS.gimbal)])
    status, out = replay(bag, tmp_path / 'out', '--set=camera_mount_from_tf=true')
    assert status == 0
    records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    assert all(len(r['footprint']['corners']) == 4 for r in records)


def test_a_latency_budget_is_not_applied_and_that_is_said(tmp_path, bag, capsys):
    status, out = replay(bag, tmp_path / 'out', '--set=frame_budget_ms=1')
    assert status == 0
    assert 'frame_budget_ms: not applied in lock-step' in capsys.readouterr().out
    assert RunFacts.read(out).statuses['scene'] == {'ok': 4}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (['--update'], '--update: found no --expect FILE'),
        (['--expect=/no.yaml'], '/no.yaml: no such file; expected one of expectations'),
        (['--rate=2'], '--rate, --composition: found without --ros'),
        (['--tasks=scene,detecting'], 'detecting'),
        (['--set=scene.variant=int4'], "found 'int4'"),
        (['--models=/no/model'], '/no/model'),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_line(tmp_path, bag, options, message, capsys):
    assert main(['replay', str(bag), f'--out={tmp_path / "out"}', *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count('\n') == 1


# Bad input.


def test_a_bag_without_images_names_what_it_has_and_the_parameter(tmp_path, capsys):
    status, out = replay(points(tmp_path / 'flight', [1, 2]), tmp_path / 'out')
    assert status == 2
    error = capsys.readouterr().err
    assert '/p (geometry_msgs/msg/PointStamped, 2)' in error
    assert "'image_topic'" in error
    assert not out.exists()


def test_a_flight_without_a_pose_is_processed_and_says_what_is_missing(tmp_path, capsys):
    kept = {TOPICS.image, TOPICS.camera_info}
    bag = record(tmp_path / 'flight', [x for x in entries() if x[0] in kept])
    status, out = replay(bag, tmp_path / 'out')
    assert status == 0
    printed = capsys.readouterr().out
    assert 'fix_topic: nothing on /mavros/global_position/raw/fix, so no position' in printed
    records = [json.loads(line) for line in (out / 'results.jsonl').read_text().splitlines()]
    assert [r['scene']['status'] for r in records] == ['degraded'] * 4


def test_stamps_that_go_back_are_named_drops_or_a_jump_in_time(tmp_path, capsys):
    bag = record(tmp_path / 'flight', entries(6, stamps=[0, 1, 0.5, 1, -30, -29]))
    status, out = replay(bag, tmp_path / 'out')
    assert status == 0
    facts = RunFacts.read(out)
    assert facts.drops['tiler'] == {'out_of_order': 1, 'duplicate_stamp': 1}
    assert (facts.images, facts.results) == (6, 4)
    assert any('stamps go back' in x.first for x in facts.alarms if x.source == 'bag')
    assert 'stamps go back' in capsys.readouterr().out


def test_two_cameras_give_the_results_of_one_and_a_word_about_the_other(tmp_path, capsys):
    more = [('/rear/image', k, m, n) for t, k, m, n in entries(3) if t == TOPICS.image]
    status, out = replay(record(tmp_path / 'flight', [*entries(), *more]), tmp_path / 'out')
    assert status == 0
    assert '2 cameras: took /image_raw (4 images), left out /rear/image (3)' in (
        capsys.readouterr().out
    )
    assert RunFacts.read(out).results == 4


def test_pictures_that_are_none_are_counted_and_the_others_are_kept(tmp_path):
    found = entries()
    stamp = START + S // 2
    bad = MAKER.image(stamp, b'\xff\xd8 this is no picture')
    found[9] = (*found[9][:2], bad, found[9][3])
    status, out = replay(record(tmp_path / 'flight', found), tmp_path / 'out')
    assert status == 0
    facts = RunFacts.read(out)
    assert facts.drops == {'tiler': {'bad_image': 1}}
    assert facts.results == 3


def test_a_message_that_is_not_of_its_type_is_left_out(tmp_path):
    from recordings import STORE

    from rs_onboard.replay.writer import BagWriter

    path = tmp_path / 'flight'
    with BagWriter(path, store=STORE) as writer:
        for topic, kind, message, time in entries():
            writer.write_message(topic, kind, message, time)
        for topic, kind in ((TOPICS.fix, 'sensor_msgs/msg/NavSatFix'),):
            writer.write(topic, kind, b'\x00\x01\x00\x00\x01', START + S // 4)
    status, out = replay(path, tmp_path / 'out')
    assert status == 0
    facts = RunFacts.read(out)
    assert facts.results == 4
    assert any('is not a sensor_msgs/msg/NavSatFix' in x.first for x in facts.alarms)


def test_a_truncated_bag_is_processed_as_far_as_it_goes_and_ends_with_status_2(tmp_path, capsys):
    from recordings import STORE

    from rs_onboard.replay.writer import BagWriter

    path = tmp_path / 'whole'
    with BagWriter(path, store=STORE, chunk_span_ns=S // 4) as writer:
        for topic, kind, message, time in entries():
            writer.write_message(topic, kind, message, time)
    data = (path / 'whole.mcap').read_bytes()
    cut = tmp_path / 'cut.mcap'
    cut.write_bytes(data[: len(data) * 6 // 10])
    status, out = replay(cut, tmp_path / 'out')
    assert status == 2
    error = capsys.readouterr().err
    assert 'before the damage were read' in error
    facts = RunFacts.read(out)
    assert 0 < facts.results < 4
    assert facts.damage
    assert (out / 'index.html').is_file()
    # Expectations may allow for it.
    expected = tmp_path / 'cut.expect.yaml'
    assert replay(cut, tmp_path / 'out', f'--expect={expected}', '--update')[0] == 2
    assert replay(cut, tmp_path / 'out', f'--expect={expected}')[0] == 0


def test_a_bag_that_is_none_is_refused(tmp_path, capsys):
    broken = tmp_path / 'broken.mcap'
    broken.write_bytes(b'this is no bag')
    assert replay(broken, tmp_path / 'out')[0] == 2
    assert 'broken.mcap' in capsys.readouterr().err


def test_unknown_definitions_of_other_topics_do_not_matter_and_of_images_they_do(tmp_path, capsys):
    for name in ('flight', 'images'):
        shutil.copytree(flight(tmp_path / f'{name}_'), tmp_path / name)
    data = (tmp_path / 'flight' / 'flight_.mcap').read_bytes()
    (tmp_path / 'flight' / 'flight_.mcap').write_bytes(
        data.replace(b'geometry_msgs/msg/QuaternionStamped', b'geometry_msgs/msg/QuaternionStimped')
    )
    status, out = replay(tmp_path / 'flight' / 'flight_.mcap', tmp_path / 'out')
    assert status in {0, 2}
    assert RunFacts.read(out).results == 4
    assert 'gimbal_topic' in capsys.readouterr().out


def test_a_full_disk_ends_the_replay_with_what_it_could_write(tmp_path, bag, monkeypatch, capsys):
    from rs_onboard.perception.result_files import ResultFiles

    written = ResultFiles.write_record

    def full(self, entry):
        if entry['stamp_ns'] > START + S // 2:
            raise OSError(28, 'No space left on device')
        written(self, entry)

    monkeypatch.setattr(ResultFiles, 'write_record', full)
    status, out = replay(bag, tmp_path / 'out')
    assert status == 2
    assert 'No space left on device' in capsys.readouterr().err
    assert len((out / 'results.jsonl').read_text().splitlines()) == 2
    assert not (out / 'run.json').exists()
    assert list((out / 'results').iterdir())


def test_a_replay_that_is_interrupted_keeps_what_is_done_and_is_not_complete(tmp_path):
    bag, out = flight(tmp_path / 'flight', 120), tmp_path / 'out' / 'flight'
    process = subprocess.Popen(
        [
            sys.executable,
            '-m',
            'rs_onboard.cli.main',
            'replay',
            bag,
            f'--out={out.parent}',
            *COLOURS,
        ],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    )
    lines = out / 'results.jsonl'
    end = time.monotonic() + 60.0
    while not lines.is_file() or lines.read_bytes().count(b'\n') < 3:
        assert process.poll() is None
        assert time.monotonic() < end
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60.0)
    assert process.returncode == 130, error
    assert 'Traceback' not in error
    done = [json.loads(line) for line in lines.read_text().splitlines()]
    assert 3 <= len(done) < 120
    assert not (out / 'run.json').exists()
    with Bag(out / 'results') as results:
        assert sum(1 for _ in results.messages(('/scene',), strict=False)) >= len(done) - 1
