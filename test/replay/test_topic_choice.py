# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""The topics of a bag: those of the parameters, or the only ones there can be, and what is said."""

from __future__ import annotations

import dataclasses

import pytest
from recordings import MAKER, S, points, record

from flights import START, entries, flight
from rs_onboard.replay.errors import MissingTopicError
from rs_onboard.replay.reader import Bag
from rs_onboard.replay.topic_choice import choose_topics
from rs_onboard.replay.topics import TOPICS

DEFAULTS = {
    'image_topic': 'image_raw',
    'camera_info_topic': 'camera_info',
    'fix_topic': 'mavros/global_position/raw/fix',
    'imu_topic': 'mavros/imu/data',
    'gimbal_topic': 'gimbal/attitude',
    'height_topic': 'mavros/global_position/rel_alt',
}


def choose(path, given=None, **options):
    with Bag(path) as bag:
        return choose_topics(bag, given or {}, DEFAULTS, **options)


def test_default_names_are_taken_without_a_word(tmp_path):
    choice = choose(flight(tmp_path / 'bag'))
    assert choice.image == '/image_raw/compressed'
    assert choice.values == {'image_topic': '/image_raw', 'image_transport': 'compressed'}
    assert choice.topics['fix_topic'] == TOPICS.fix
    assert choice.notes == ()


def test_the_only_images_and_their_intrinsics_are_found_and_noted(tmp_path):
    names = dataclasses.replace(TOPICS, camera_info='/cam/camera_info', fix='/gps/fix')
    path = flight(tmp_path / 'bag', image_topic='/cam/image', topics=names)
    choice = choose(path)
    assert choice.image == '/cam/image'
    assert choice.values['image_topic'] == '/cam/image'
    assert choice.values['camera_info_topic'] == '/cam/camera_info'
    assert choice.topics['fix_topic'] == '/gps/fix'
    assert 'image_topic: took /cam/image, the only images' in choice.notes
    assert any(x.startswith('fix_topic: took /gps/fix') for x in choice.notes)


def test_an_attitude_of_another_name_is_told_and_not_guessed(tmp_path):
    names = dataclasses.replace(TOPICS, gimbal='/mount/attitude')
    choice = choose(flight(tmp_path / 'bag', topics=names))
    assert 'gimbal_topic' not in choice.topics
    (note,) = [x for x in choice.notes if x.startswith('gimbal_topic')]
    assert 'there is /mount/attitude: set gimbal_topic if that is it' in note


def test_of_two_cameras_the_default_name_wins_and_the_other_is_named(tmp_path):
    second = [(f'/rear{t}' if t == TOPICS.image else t, k, m, n) for t, k, m, n in entries(6)]
    path = record(tmp_path / 'bag', [*entries(2), *[x for x in second if x[0][:5] == '/rear']])
    choice = choose(path)
    assert choice.image == TOPICS.image
    (note,) = choice.notes
    assert note.startswith('2 cameras: took /image_raw (2 images), left out /rear/image_raw (6);')
    assert choose(path, {'image_topic': 'rear/image_raw'}).image == '/rear/image_raw/compressed'


def test_of_two_cameras_without_the_default_name_the_one_with_most_images_is_taken(tmp_path):
    both = [
        (f'/{name}/image', kind, message, time)
        for name, count in (('a', 2), ('b', 3))
        for topic, kind, message, time in entries(count)
        if topic == TOPICS.image
    ]
    assert choose(record(tmp_path / 'bag', both)).image == '/b/image'


def test_results_of_an_earlier_run_are_no_camera(tmp_path):
    more = [('/overlay/compressed', k, m, n) for t, k, m, n in entries(9) if t == TOPICS.image]
    path = record(tmp_path / 'bag', [*entries(2), *more])
    assert choose(path, ignored={'/overlay/compressed'}).notes == ()


def test_a_bag_without_images_says_what_it_holds_and_which_parameter_to_set(tmp_path):
    with pytest.raises(MissingTopicError) as caught:
        choose(points(tmp_path / 'bag', [1, 2]))
    text = str(caught.value)
    assert 'it holds: /p (geometry_msgs/msg/PointStamped, 2)' in text
    assert "parameter 'image_topic'" in text


@pytest.mark.parametrize('topic', ['nothing', TOPICS.fix])
def test_a_wrong_image_topic_is_refused_with_those_there_are(tmp_path, topic):
    with pytest.raises(MissingTopicError) as caught:
        choose(flight(tmp_path / 'bag'), {'image_topic': topic})
    assert '/image_raw/compressed' in str(caught.value)
    assert 'image_topic' in str(caught.value)


def test_a_topic_of_the_wrong_type_is_not_used(tmp_path):
    wrong = (TOPICS.fix, 'std_msgs/msg/Float64', MAKER.make('std_msgs/msg/Float64', data=1.0))
    rest = [x for x in entries(2) if x[0] != TOPICS.fix]
    choice = choose(record(tmp_path / 'bag', [*rest, (*wrong, START + S)]))
    assert 'fix_topic' not in choice.topics
    assert any(
        'is std_msgs/msg/Float64, expected sensor_msgs/msg/NavSatFix' in x for x in choice.notes
    )


def test_the_type_of_the_gimbal_and_static_frames_follow_the_parameters(tmp_path):
    angles = {'gimbal_message': 'angles', 'camera_mount_from_tf': True}
    choice = choose(flight(tmp_path / 'bag'), angles)
    assert 'gimbal_topic' not in choice.topics
    text = ' '.join(choice.notes)
    assert 'expected geometry_msgs/msg/Vector3Stamped' in text
    assert 'camera_mount_from_tf: nothing on /tf_static' in text
    frames = ('/tf_static', 'tf2_msgs/msg/TFMessage')
    message = MAKER.make(frames[1], transforms=[])
    path = record(tmp_path / 'with', [(*frames, message, START), *entries(2)])
    assert choose(path, angles).topics['camera_mount_from_tf'] == '/tf_static'
    assert 'camera_mount_from_tf' not in choose(path).topics
