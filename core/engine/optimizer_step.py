"""What happens between a loss and the next batch: gradients, clipping, the optimiser's step, averaging."""

from __future__ import annotations

import torch
from torch import Tensor

from core.engine.optim import set_rates
from core.engine.state import TrainState


def take_step(state: TrainState, loss: Tensor) -> None:
    """Move the weights down `loss`.

    Where gradients are scaled (float16), a step whose gradients overflow is left out and the scale lowered;
    no average moves then.
    """
    optimizer, scaler = state.optimizer, state.scaler
    taken = True
    optimizer.zero_grad(set_to_none=True)
    torch.autograd.backward(loss if scaler is None else scaler.scale(loss))
    if state.clip_norm is not None:
        if scaler is not None:
            scaler.unscale_(optimizer)
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        norm = torch.nn.utils.clip_grad_norm_(parameters, state.clip_norm)
        state.sums.add_norm(norm.detach())
    if scaler is None:
        optimizer.step()
    else:
        # Asking waits for the device.
        scale = 0.0 if state.ema is None else scaler.get_scale()
        scaler.step(optimizer)
        scaler.update()
        taken = state.ema is None or scaler.get_scale() >= scale
    if state.ema is not None and taken:
        state.ema.update(state.model)


def follow_schedule(state: TrainState) -> None:
    """Set the learning rates of the step that comes next."""
    rates = state.schedule.rates(state.epochs_done, state.step_in_epoch)
    if rates is not None:
        set_rates(state.optimizer, rates)
