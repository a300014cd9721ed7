# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Find the images of a split and their labels in a folder laid out by others.

Four layouts, one a task: *class folders* (`images/<class>/<file>` or `<class>/<file>`), *index
masks* (`images/`, `labels/`), *pairs* (`A/`, `B/`, `label/`), *oriented boxes* (`images/`,
`labels_obb_dota/`). A split is a file `splits/<split>.txt` of ids or paths, or a folder of that
name that holds the layout, or, where there is neither, everything.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from rs_onboard.training.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rs_onboard.inference.card import TaskName

SUFFIXES = frozenset(
    {'.webp', '.png', '.jpg', '.jpeg', '.tif', '.tiff', '.bmp', '.jp2', '.ppm', '.pgm'}
)
SPLIT_FOLDERS = ('splits', 'split', 'list', '.')
# Folders of a layout by the names that sets give them.
IMAGES = ('images', 'image', 'imgs', 'img')
MASKS = ('labels', 'label', 'masks', 'mask', 'annotations', 'gt')
BEFORE = ('A', 'before', 'T1', 'time1', 'im1')
AFTER = ('B', 'after', 'T2', 'time2', 'im2')
CHANGES = ('label', 'labels', 'OUT', 'mask', 'masks', 'gt')
BOXES = ('labels_obb_dota', 'labelTxt', 'labels')
# What each task needs, in the order of `Item`: image, earlier image, label.
PARTS: Mapping[TaskName, tuple[tuple[str, ...], ...]] = {
    'segmentation': (IMAGES, (), MASKS),
    'change': (AFTER, BEFORE, CHANGES),
    'detection': (IMAGES, (), BOXES),
}
LABEL_SUFFIXES = {'detection': frozenset({'.txt'})}


@dataclass(frozen=True)
class Item:
    """One labelled image on disk.

    Attributes:
        name: Name for messages: its path in the set without suffix, for scenes with it.
        image: Its file; of a pair the later one.
        before: The earlier one (change).
        label: Its label file; None for scenes.
        folder: Name of its class folder (scene).
    """

    name: str
    image: Path
    before: Path | None = None
    label: Path | None = None
    folder: str = ''


@dataclass(frozen=True)
class Listing:
    """The images of a split.

    Attributes:
        folder: The data set.
        root: Folder that holds the layout: the data set itself, or that of a split in it.
        items: Images in the order of the split, or by name.
        notes: What users must know of how they were found.
    """

    folder: Path
    root: Path
    items: tuple[Item, ...]
    notes: tuple[str, ...]

    @property
    def digest(self) -> str:
        """Hash of the names of the images, whatever their order."""
        names = '\n'.join(sorted(item.name for item in self.items))
        return hashlib.sha256(names.encode()).hexdigest()


def list_items(folder: Path, task: TaskName, split: str) -> Listing:
    """Find the labelled images of a split.

    Args:
        folder: The data set.
        task: Task of the model, which decides the layout.
        split: Name of the split.

    Raises:
        DataError: There is no such folder, layout or split, or it lists every name that is no file,
            more than one, listed twice, without a label or also in another split.
    """
    if not folder.is_dir():
        raise DataError(str(folder), ['no such folder; expected a data set. Check the path'])
    files = split_files(folder)
    if split in files:
        return _listed(folder, task, split, files)
    inner = (find_folder(folder, IMAGES) or folder) / split
    if (folder / split).is_dir() or (task == 'scene' and inner.is_dir()):
        root = folder / split if (folder / split).is_dir() else inner
        note = f'every image of the folder {root.relative_to(folder).as_posix()!r}'
    elif files:
        have = ', '.join(sorted(files))
        raise DataError(str(folder), [f'no split {split!r}; expected --split {have}'])
    else:
        root, note = folder, f'no split files: every image counts as split {split!r}'
    candidates = find_candidates(root, task)
    items = candidates.items
    if inside := tuple(item for item in items if f'/{split}/' in item.name):
        items, note = inside, f'every image of the folders {split!r}'
    problems = [*candidates.empty, *(x for i in items for x in candidates.problems.get(i.name, []))]
    if not items and not problems:
        problems = [f'no image with one of the suffixes {", ".join(sorted(SUFFIXES))}']
    if problems:
        raise DataError(str(root), problems)
    return Listing(folder, root, items, (note,))


def split_files(folder: Path) -> dict[str, Path]:
    """Find the split files of a set by name; those beside the images only if they are known."""
    usual = {'train', 'val', 'valid', 'test', 'trainval'}
    for name in SPLIT_FOLDERS:
        found = {path.stem: path for path in sorted((folder / name).glob('*.txt'))}
        if name == '.':
            found = {stem: path for stem, path in found.items() if stem in usual}
        if found:
            return found
    return {}


def _listed(folder: Path, task: TaskName, split: str, files: Mapping[str, Path]) -> Listing:
    """Resolve the lines of a split file; lines of the other splits tell of overlaps."""
    candidates = find_candidates(folder, task)
    problems: list[str] = []
    items: dict[str, Item] = {}
    for line in split_lines(files[split]):
        found = candidates.find(line)
        if isinstance(found, str):
            problems.append(found)
        elif found.name in items:
            problems.append(f'{found.name}: listed twice in {files[split].name}')
        else:
            items[found.name] = found
            problems += candidates.problems.get(found.name, [])
    for other, path in files.items():
        if other != split:
            problems += [
                f'{found.name}: in split {split!r} and in {other!r}'
                for found in map(candidates.find, split_lines(path))
                if isinstance(found, Item) and found.name in items
            ]
    if not items and not problems:
        problems = [f'{files[split]}: empty; expected one image a line']
    problems += candidates.empty
    if problems:
        raise DataError(str(folder), problems)
    return Listing(folder, folder, tuple(items.values()), ())


def split_lines(path: Path) -> list[str]:
    """Read the lines of a split file, without blanks around them and with forward slashes."""
    text = path.read_text(encoding='utf-8-sig', errors='replace').replace('\\', '/')
    return [line.strip().removeprefix('./') for line in text.splitlines() if line.strip()]


class Candidates:
    """The images of a folder, to be found by path, file name or id.

    Args:
        items: All labelled images.
        problems: What is wrong with some of them, by name.
        empty: What is wrong with the folder.
        least: Parts of a path that must agree at least: the class is part of a scene.
    """

    def __init__(
        self,
        items: Iterable[Item],
        problems: Mapping[str, list[str]],
        empty: Sequence[str] = (),
        *,
        least: int = 1,
    ) -> None:
        self.items = tuple(items)
        self._least = least
        self.problems = problems
        self.empty = list(empty)
        self._names: dict[str, list[Item]] = defaultdict(list)
        for item in self.items:
            path = PurePosixPath(item.name)
            bare = str(path.with_suffix('')) if path.suffix.lower() in SUFFIXES else item.name
            parts = PurePosixPath(bare).parts
            for depth in range(len(parts)):
                self._names['/'.join(parts[depth:])].append(item)

    def find(self, line: str) -> Item | str:
        """Find the image of a line of a split file, or say what is wrong with the line.

        The line is an id or a path that ends in one, with a suffix or without; a number behind it,
        as some sets have for the class, is left out.
        """
        words = line.rsplit(maxsplit=1)
        for text in (line, words[0]) if len(words) == 2 and words[1].isdecimal() else (line,):
            path = PurePosixPath(text)
            bare = path.with_suffix('') if path.suffix.lower() in SUFFIXES else path
            # Folders in front of those of the set are of the machine the list was made on.
            for depth in range(max(1, len(bare.parts) - self._least + 1)):
                found = self._names.get('/'.join(bare.parts[depth:]), [])
                if len(found) == 1:
                    return found[0]
                if found:
                    places = ', '.join(sorted(item.name for item in found)[:3])
                    return f'{line}: stands for {len(found)} images ({places}); name its folder'
        return f'{line}: missing'


def find_candidates(root: Path, task: TaskName) -> Candidates:
    """Find all labelled images of a folder.

    Raises:
        DataError: It has not the layout of the task.
    """
    return class_folders(root) if task == 'scene' else labelled_images(root, task)


def class_folders(root: Path) -> Candidates:
    """Find scenes: the folder of an image is its class."""
    base = find_folder(root, IMAGES) or root
    items, empty = [], []
    for folder in sorted(path for path in base.iterdir() if path.is_dir() and visible(path)):
        images = image_files(folder)
        if not images and (base != root or not any(folder.iterdir())):
            empty.append(f'{folder.relative_to(root).as_posix()}: class without an image')
        items += [
            Item(path.relative_to(root).as_posix(), path, folder=folder.name) for path in images
        ]
    if not items:
        raise DataError(
            str(root), ['no class folders; expected images/<class>/<file> or <class>/<file>']
        )
    return Candidates(items, {}, empty, least=2)


def labelled_images(root: Path, task: TaskName) -> Candidates:
    """Find images with a label of the same stem."""
    folders = [find_folder(root, names) if names else None for names in PARTS[task]]
    missing = [
        names[0]
        for names, folder in zip(PARTS[task], folders, strict=True)
        if names and folder is None
    ]
    if missing:
        raise DataError(
            str(root), [f'{name}/: missing; a {task} set has such a folder' for name in missing]
        )
    image_folder, before_folder, label_folder = folders
    assert image_folder is not None
    assert label_folder is not None
    labels = by_stem(label_folder, LABEL_SUFFIXES.get(task, SUFFIXES))
    before = {} if before_folder is None else by_stem(before_folder, SUFFIXES)
    items, problems = [], defaultdict(list)
    for stem, images in by_stem(image_folder, SUFFIXES).items():
        wanted = {image_folder: images, label_folder: labels.get(stem, [])}
        if before_folder is not None:
            wanted[before_folder] = before.get(stem, [])
        name = f'{image_folder.name}/{stem}'
        for folder, files in wanted.items():
            if len(files) != 1:
                which = f' ({", ".join(path.name for path in files)})' if files else ''
                text = f'{len(files)} files{which}; expected one' if files else 'missing'
                problems[name].append(f'{folder.name}/{stem}: {text}')
        first, label, early = images[0], labels.get(stem), before.get(stem)
        items.append(Item(name, first, early[0] if early else None, label[0] if label else None))
    return Candidates(items, problems)


def find_folder(root: Path, names: Sequence[str]) -> Path | None:
    """Find the first folder of these names, whatever their case."""
    known = {path.name.casefold(): path for path in sorted(root.iterdir()) if path.is_dir()}
    return next((known[name.casefold()] for name in names if name.casefold() in known), None)


def image_files(folder: Path) -> list[Path]:
    """List the images of a folder by name; other files are none of ours."""
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and visible(path) and path.is_file()
    )


def by_stem(folder: Path, suffixes: frozenset[str]) -> dict[str, list[Path]]:
    """List the files of some suffixes, folders below included, by path without suffix."""
    found: dict[str, list[Path]] = defaultdict(list)
    for path in sorted(folder.rglob('*')):
        if path.suffix.lower() in suffixes and visible(path) and path.is_file():
            found[path.relative_to(folder).with_suffix('').as_posix()].append(path)
    return found


def visible(path: Path) -> bool:
    """Tell files of users from those that systems leave behind."""
    return not path.name.startswith(('.', '__'))
