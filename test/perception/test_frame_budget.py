# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Frames get their plan, and what becomes of them is learnt from."""

from __future__ import annotations

import dataclasses

import numpy as np
from small_frames import frame_of, random_image

from rs_onboard.inference.budget.ladder import VariantCost
from rs_onboard.inference.budget.machine_state import MachineState
from rs_onboard.perception.frame_budget import NO_TIME, FrameBudget, TaskCosts
from rs_onboard.perception.results import ModelIdentity, TaskReport, TileUse
from rs_onboard.perception.tiler import Tiler
from rs_onboard.perception.tiles import TilePlan

COSTS = TaskCosts((VariantCost('fp32', 0.0, 10.0), VariantCost('int8', 0.0, 6.0, 0.97)))
TILER = Tiler({'scene': TilePlan(64, 64), 'segmentation': TilePlan(128, 128)})
SECOND = 1_000_000_000
IMAGE = random_image(128, 256)


def budget(**costs):
    found = FrameBudget(['detection', 'segmentation', 'scene'])
    for task, known in costs.items():
        found.set_costs(task, known)
    return found


def frame(number):
    return TILER.cut(frame_of(IMAGE, stamp_ns=SECOND + number * SECOND // 10))


def at(number):
    """Time of a frame on the steady clock [ns], ten a second."""
    return 100 * SECOND + number * SECOND // 10


def answer(keeper, tiles, number, factor=1.0, latency_ms=None):
    """Answer a frame as tasks would that take their costs times a factor."""
    spent = [5.0]
    for task, cut in tiles.items():
        selection = cut.selection
        report = TaskReport(task, 'skipped', selection.skip)
        if not selection.why_skipped:
            cost = COSTS.offered[selection.variant == 'int8']
            infer = factor * cost.frame_ms(len(selection.tiles))
            spent.append(infer)
            report = TaskReport(
                task,
                'ok',
                model=ModelIdentity('m', '0' * 64, cost.variant, 'cpu', trained=True),
                tiles=TileUse(len(selection.tiles), 64, 64, 1.0, None),
                latency_ms={'wait': 0.1, 'cut': 0.4, 'infer': infer},
            )
        keeper.result(task, cut.header.stamp_ns, report, at(number))
    total = sum(spent) if latency_ms is None else latency_ms
    keeper.done(next(iter(tiles.values())).header.stamp_ns, total)
    return total


def fly(keeper, frames, factor=1.0, first=0, budget_ms=150.0):
    for number in range(first, first + frames):
        tiles = keeper.apply(frame(number), budget_ms, now_ns=at(number))
        answer(keeper, tiles, number, factor)
    return tiles


def test_without_a_limit_frames_pass_as_they_are():
    tiles = frame(0)
    keeper = budget(scene=COSTS)
    assert keeper.apply(tiles, 0.0, now_ns=at(0)) == tiles
    assert keeper.state.plan.steps == {}


def test_with_room_nothing_is_left_out_and_nothing_marked():
    tiles = fly(budget(scene=COSTS, segmentation=COSTS), 30)
    for cut in tiles.values():
        assert len(cut.selection.tiles) == len(cut.grid)
        assert (cut.selection.variant, cut.selection.doubt, cut.selection.skip) == ('', '', '')


def test_a_slow_machine_loses_tiles_of_the_least_important_task_first_each_counted():
    keeper = budget(scene=COSTS, segmentation=COSTS)
    fly(keeper, 10)
    tiles = fly(keeper, 10, factor=3.0, first=10)
    scene = tiles['scene'].selection
    assert scene.why_skipped or scene.left_out[NO_TIME] > 0
    segmentation = tiles['segmentation'].selection
    assert len(segmentation.tiles) + segmentation.left_out.get(NO_TIME, 0) == 2
    assert 'latency budget of 150 ms' in (scene.doubt or scene.skip)
    assert len(scene.tiles) / 8 <= len(segmentation.tiles) / 2


def test_tiles_left_out_take_turns():
    keeper = budget(scene=TaskCosts((VariantCost('fp32', 0.0, 10.0),)))
    seen = set()
    for number in range(8):
        tiles = keeper.apply({'scene': frame(number)['scene']}, 50.0, now_ns=at(number))
        seen |= set(tiles['scene'].selection.tiles)
        assert 0 < len(tiles['scene'].selection.tiles) < 8
        answer(keeper, tiles, number)
    assert seen == set(range(8))


def test_costs_nobody_measured_are_those_of_the_first_result():
    keeper = budget()
    fly(keeper, 2, budget_ms=500.0)
    tiles = fly(keeper, 1, first=2, budget_ms=60.0)
    assert keeper.state.plan.steps['scene'].variant in {'fp32', ''}
    assert any(cut.selection.left_out or cut.selection.skip for cut in tiles.values())


def test_a_task_that_is_dead_is_not_waited_for_and_costs_the_others_nothing():
    keeper = budget(scene=COSTS, segmentation=COSTS)
    for number in range(150):
        tiles = keeper.apply(frame(number), 150.0, now_ns=at(number))
        del tiles['segmentation']
        answer(keeper, tiles, number, latency_ms=2000.0)
    assert not keeper.state.plan.degraded
    assert keeper.state.frames == 0


def test_frames_that_wait_for_one_of_an_earlier_plan_are_not_held_against_the_new_one():
    keeper = budget(scene=COSTS, segmentation=COSTS)
    fly(keeper, 10)
    slow = keeper.apply(frame(10), 150.0, now_ns=at(10))
    for number in range(11, 15):
        keeper.apply(frame(number), 150.0, now_ns=at(number))
        # The frame in hand holds up all that come after it.
    assert len(keeper.state.history) == 1
    answer(keeper, slow, 15, factor=4.0)
    keeper.apply(frame(15), 150.0, now_ns=at(15))
    assert len(keeper.state.history) <= 2


def test_heat_is_told_to_the_planner():
    keeper = budget(scene=COSTS, segmentation=COSTS)
    fly(keeper, 3, budget_ms=130.0)
    hot = MachineState('critical')
    tiles = keeper.apply(frame(3), 130.0, hot, at(3))
    assert any('latency budget' in cut.selection.doubt for cut in tiles.values())
    assert 'machine critical' in keeper.state.plan.reason


def test_tiles_left_out_already_stay_so_and_keep_their_reason():
    keeper = budget(scene=TaskCosts((VariantCost('fp32', 0.0, 20.0),)))
    tiles = frame(0)['scene']
    narrowed = tiles.selection.keep(range(4), 'beyond the horizon')
    narrowed = dataclasses.replace(narrowed, doubt='oblique')
    (cut,) = keeper.apply({'scene': tiles.selecting(narrowed)}, 60.0, now_ns=at(0)).values()
    assert set(cut.selection.tiles) < {0, 1, 2, 3}
    assert cut.selection.left_out['beyond the horizon'] == 4
    assert sum(cut.selection.left_out.values()) + len(cut.selection.tiles) == 8
    assert cut.selection.doubt.startswith('oblique; latency budget of 60 ms')


def test_objects_found_draw_attention_to_their_place():
    keeper = budget(scene=TaskCosts((VariantCost('fp32', 0.0, 10.0),)))
    counts = np.zeros(8)
    for number in range(60):
        tiles = keeper.apply({'scene': frame(number)['scene']}, 30.0, now_ns=at(number))
        counts[list(tiles['scene'].selection.tiles)] += 1
        keeper.found(tiles['scene'].header.stamp_ns, [[32.0, 32.0]])
        answer(keeper, tiles, number)
    assert counts[0] > 1.3 * counts[7]
    assert counts.min() > 0


def test_memory_of_frames_is_bounded():
    keeper = budget(scene=COSTS, segmentation=COSTS)
    for number in range(500):
        keeper.apply(frame(number), 150.0, now_ns=at(0) + number * 1_000_000)
    assert len(keeper._flights) <= 64
    keeper.dropped(frame(499)['scene'].header.stamp_ns)
    keeper.result('scene', 1, TaskReport('scene', 'ok'), at(0))
    keeper.done(1, 5.0)
