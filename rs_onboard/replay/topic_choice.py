# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which topics of a bag feed the graph: those of the parameters, or the only ones there can be.

What is chosen instead of a default is noted. Only what a message cannot be mistaken about is ever
chosen: images, their intrinsics and a position. An attitude or a height may be against anything, so
these are named to the user, not guessed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from rs_onboard.replay.errors import MissingTopicError, UnknownTypeError
from rs_onboard.replay.topics import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    FIX,
    GIMBAL,
    GIMBAL_ANGLES,
    HEIGHT,
    IMAGE_TYPES,
    IMU,
    TF_MESSAGE,
    TF_STATIC,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rs_onboard.replay.reader import Bag, TopicSummary

COMPRESSED = '/compressed'

# Parameters of topics besides the images: the type that each takes, what is missing without it.
OTHER_TOPICS: Mapping[str, tuple[str, str]] = {
    'camera_info_topic': (CAMERA_INFO, 'no scale and no coordinates'),
    'fix_topic': (FIX, 'no position'),
    'imu_topic': (IMU, 'no attitude of the vehicle'),
    'gimbal_topic': (GIMBAL, 'no attitude of the camera'),
    'height_topic': (HEIGHT, 'no height'),
}

# Parameters that change the type of a topic, or ask for one more.
GIMBAL_MESSAGE, ANGLES = 'gimbal_message', 'angles'
MOUNT_FROM_TF = 'camera_mount_from_tf'

# Chosen where there is one of them only.
_UNMISTAKABLE = ('camera_info_topic', 'fix_topic')


class TopicChoice(NamedTuple):
    """What of a bag feeds the graph.

    Attributes:
        image: Topic of the images in the bag.
        values: Parameters of the nodes that say so.
        topics: Topic in the bag by the parameter that asks for it, where there is one.
        notes: What the user must know about the choice.
    """

    image: str
    values: dict[str, str]
    topics: dict[str, str]
    notes: tuple[str, ...]


def choose_topics(
    bag: Bag,
    given: Mapping[str, object],
    defaults: Mapping[str, str],
    *,
    ignored: Collection[str] = (),
) -> TopicChoice:
    """Choose the topics of a bag.

    Args:
        bag: Open bag.
        given: Parameters that the user set.
        defaults: Default of each topic parameter.
        ignored: Image topics that are no camera, such as masks of an earlier run.

    Raises:
        MissingTopicError: There are no images; the message lists what there is, and the parameter.
        UnknownTypeError: The definition of the only images is unknown.
    """
    notes: list[str] = []
    image = _given_image(bag, given) or _found_image(bag, given, defaults, ignored, notes)
    compressed = bag.topics[image].type_name == COMPRESSED_IMAGE
    values = {
        'image_topic': image.removesuffix(COMPRESSED) if compressed else image,
        'image_transport': 'compressed' if compressed else 'raw',
    }
    topics: dict[str, str] = {}
    for parameter, (type_name, without) in _wanted(given).items():
        wanted = _absolute(str(given.get(parameter, defaults[parameter])))
        found = bag.topics.get(wanted)
        if _usable(found, type_name):
            topics[parameter] = wanted
            continue
        others = [x for x in bag.topics_of((type_name,)) if not bag.topics[x].problem]
        chosen = ''
        if parameter in _UNMISTAKABLE and parameter not in given:
            chosen = _unmistakable(parameter, others, values['image_topic'])
        if chosen:
            notes.append(f'{parameter}: took {chosen}, since nothing is on {wanted}')
            topics[parameter] = values[parameter] = chosen
        else:
            why = _why_not(found, type_name, wanted)
            notes.append(_missing(parameter, why, others, type_name, without))
    if given.get(MOUNT_FROM_TF):
        if _usable(bag.topics.get(TF_STATIC), TF_MESSAGE):
            topics[MOUNT_FROM_TF] = TF_STATIC
        else:
            notes.append(f'{MOUNT_FROM_TF}: nothing on {TF_STATIC}, so no place of the camera')
    if 'gimbal_topic' in topics or 'imu_topic' in topics:
        # One attitude is enough, unless the user asked for the other one.
        unneeded = ('gimbal_topic', 'imu_topic')
        notes = [x for x in notes if not x.startswith(unneeded) or x.split(':')[0] in given]
    return TopicChoice(image, values, topics, tuple(notes))


def _wanted(given: Mapping[str, object]) -> dict[str, tuple[str, str]]:
    """Return type, and what is missing without it, by parameter of a topic."""
    wanted = dict(OTHER_TOPICS)
    if given.get(GIMBAL_MESSAGE) == ANGLES:
        wanted['gimbal_topic'] = (GIMBAL_ANGLES, OTHER_TOPICS['gimbal_topic'][1])
    return wanted


def _given_image(bag: Bag, given: Mapping[str, object]) -> str:
    """Return the images that the user named, empty where none are named.

    Raises:
        MissingTopicError: There are no images of this name.
        UnknownTypeError: Their definition is unknown.
    """
    if 'image_topic' not in given:
        return ''
    base = _absolute(str(given['image_topic']))
    transport = given.get('image_transport')
    names = [x for x in (base, base + COMPRESSED) if _is_image(bag.topics.get(x))]
    if transport is not None:
        names = [x for x in names if _transport(bag.topics[x]) == transport]
    if names:
        return names[0]
    wanted = base + COMPRESSED if transport == 'compressed' else base
    bag.require({'image_topic': wanted})
    kind = bag.topics[wanted].type_name
    msg = (
        f'{bag.path}: {wanted} has type {kind}; expected {" or ".join(IMAGE_TYPES)}. Set the '
        "parameters 'image_topic' and 'image_transport' to images of this bag: "
        f'{", ".join(bag.topics_of(IMAGE_TYPES)) or "it has none"}.'
    )
    raise MissingTopicError(msg)


def _found_image(
    bag: Bag,
    given: Mapping[str, object],
    defaults: Mapping[str, str],
    ignored: Collection[str],
    notes: list[str],
) -> str:
    """Find the camera of a bag: that of the default name, else the one with most images."""
    transport = given.get('image_transport')
    cameras: dict[str, list[str]] = defaultdict(list)
    for name in bag.topics_of(IMAGE_TYPES):
        if name in ignored or 'epth' in name.rpartition('/')[2]:
            continue
        if transport is None or _transport(bag.topics[name]) == transport:
            cameras[name.removesuffix(COMPRESSED)].append(name)
    sound = {x: y for x, y in cameras.items() if not any(bag.topics[z].problem for z in y)}
    if not sound:
        problems = [bag.topics[x].problem for y in cameras.values() for x in y]
        if problems:
            msg = f'{bag.path}: {problems[0]}'
            raise UnknownTypeError(msg)
        held = ', '.join(f'{x.name} ({x.type_name}, {x.count})' for x in bag.topics.values())
        msg = (
            f'{bag.path}: no images ({" or ".join(IMAGE_TYPES)}); it holds: {held or "nothing"}. '
            "Record the camera too, or set the parameter 'image_topic'."
        )
        raise MissingTopicError(msg)
    default = _absolute(defaults['image_topic'])
    counts = {x: sum(bag.topics[z].count for z in y) for x, y in sound.items()}
    chosen = default if default in sound else max(sorted(sound), key=lambda x: counts[x])
    if others := sorted(set(sound) - {chosen}):
        left = ', '.join(f'{x} ({counts[x]})' for x in others)
        notes.append(
            f'{len(sound)} cameras: took {chosen} ({counts[chosen]} images), left out {left}; '
            'set image_topic to take another one'
        )
    elif chosen != default:
        notes.append(f'image_topic: took {chosen}, the only images')
    # Uncompressed where both are there: `/x` sorts before `/x/compressed`.
    return sound[chosen][0]


def _unmistakable(parameter: str, others: list[str], image_topic: str) -> str:
    if parameter == 'camera_info_topic':
        sibling = f'{image_topic.rpartition("/")[0]}/camera_info'
        if sibling in others:
            return sibling
    return others[0] if len(others) == 1 else ''


def _why_not(found: TopicSummary | None, type_name: str, wanted: str) -> str:
    if found is None or not found.count:
        return f'nothing on {wanted}'
    if found.type_name != type_name:
        return f'{wanted} is {found.type_name}, expected {type_name}'
    return f'{wanted}: {found.problem}'


def _missing(parameter: str, why: str, others: list[str], type_name: str, without: str) -> str:
    hint = f'the bag has no {type_name}'
    if others:
        hint = f'of type {type_name} there is {", ".join(others)}: set {parameter} if that is it'
    return f'{parameter}: {why}, so {without}; {hint}'


def _is_image(topic: TopicSummary | None) -> bool:
    return topic is not None and any(_usable(topic, x) for x in IMAGE_TYPES)


def _usable(topic: TopicSummary | None, type_name: str) -> bool:
    return bool(
        topic is not None and topic.count and topic.type_name == type_name and not topic.problem
    )


def _transport(topic: TopicSummary) -> str:
    return 'compressed' if topic.type_name == COMPRESSED_IMAGE else 'raw'


def _absolute(name: str) -> str:
    return '/' + name.lstrip('/')
