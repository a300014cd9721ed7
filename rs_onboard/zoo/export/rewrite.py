# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Which exact rewrites an exported network gets, as measured on ONNX Runtime (docs/export.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rs_onboard.zoo.export.classes import reduce_by_class
from rs_onboard.zoo.export.concats import sink_concats
from rs_onboard.zoo.export.dates import separate_dates
from rs_onboard.zoo.export.ghosts import join_ghosts
from rs_onboard.zoo.export.linear import convolve_before_resize, merge_convolutions
from rs_onboard.zoo.export.norms import fold_norms_ahead, fold_norms_back, norms_as_convolutions
from rs_onboard.zoo.export.onnx_graph import OnnxGraph
from rs_onboard.zoo.export.pools import pool_globally
from rs_onboard.zoo.export.prelu import split_prelus

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import onnx

    Rewrite = Callable[[OnnxGraph], int]

# Never slower in any network measured.
GENTLE: Sequence[Rewrite] = (
    pool_globally,
    fold_norms_back,
    fold_norms_ahead,
    merge_convolutions,
    convolve_before_resize,
    reduce_by_class,
)
# The first that the name of a network starts with. Taking concatenations apart pays where their
# parts do not fill blocks of 16 channels; elsewhere the sums cost as much as the copies did.
RECIPES: Sequence[tuple[str, Sequence[Rewrite]]] = (
    (
        'lsnet_',
        (
            separate_dates,
            pool_globally,
            sink_concats,
            fold_norms_back,
            convolve_before_resize,
            norms_as_convolutions,
            split_prelus,
        ),
    ),
    ('segghostnet_', (pool_globally, join_ghosts, sink_concats, *GENTLE)),
    ('', GENTLE),
)


def rewrites_for(network: str) -> Sequence[Rewrite]:
    """List the rewrites for a network of the catalogue, in order."""
    return next(rewrites for prefix, rewrites in RECIPES if network.startswith(prefix))


def rewrite(model: onnx.ModelProto, rewrites: Sequence[Rewrite]) -> onnx.ModelProto:
    """Give an equal model with other operators.

    Args:
        model: As traced.
        rewrites: Functions that change a graph and say how often; repeated until nothing changes,
            since one makes room for another.
    """
    graph = OnnxGraph(model)
    for apply in rewrites:
        while apply(graph):
            pass
    return graph.to_model()
