# Copyright 2026 The rs_onboard authors
# SPDX-License-Identifier: Apache-2.0
"""Where and how exactly a training run computes; the result of a recipe must not hang on it."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

import torch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Precision = Literal['float32', 'bfloat16', 'float16']
PRECISIONS: tuple[Precision, ...] = get_args(Precision)


@dataclass(frozen=True)
class Device:
    """A processor and the precision of convolutions and products on it; losses stay in float32.

    Attributes:
        name: `cpu`, `cuda` or `cuda:N`.
        precision: `float32`, or what autocast uses where that is safe; `float16` on CUDA alone.
    """

    name: str = 'cpu'
    precision: Precision = 'float32'

    def check(self) -> None:
        """Refuse what this machine cannot do.

        Raises:
            ValueError: There is no such device, or not in this precision.
        """
        kind, _, index = self.name.partition(':')
        if kind not in ('cpu', 'cuda') or (index and not index.isdigit()):
            raise ValueError(f'--device: found {self.name!r}; expected cpu, cuda or cuda:N')
        count = torch.cuda.device_count()
        if kind == 'cuda' and int(index or 0) >= count:
            raise ValueError(
                f'--device: found {self.name!r}; torch sees {count} CUDA devices here; '
                'take cpu, or install a torch built for CUDA'
            )
        if kind == 'cpu' and self.precision == 'float16':
            raise ValueError('--precision: float16 needs cuda; take bfloat16 or float32')

    def tensors(self) -> AbstractContextManager[object]:
        """Make new tensors there by default while the context is open."""
        # On the CPU that is so anyway, and the mode would cost time at every call of torch.
        return ExitStack() if self.name == 'cpu' else torch.device(self.name)

    def autocast(self) -> AbstractContextManager[object]:
        """Compute in the precision while the context is open."""
        if self.precision == 'float32':
            return ExitStack()
        kind = self.name.partition(':')[0]
        dtype = torch.bfloat16 if self.precision == 'bfloat16' else torch.float16
        context: AbstractContextManager[object] = torch.autocast(kind, dtype=dtype)
        return context

    def scaler(self) -> torch.amp.GradScaler:
        """Make what keeps small float16 gradients from vanishing; idle in other precisions."""
        return torch.amp.GradScaler('cuda', enabled=self.precision == 'float16')
