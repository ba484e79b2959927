"""How a chart is looked at: axis, scale, smoothing and zoom. Free of numpy: known before the first paint."""

from __future__ import annotations

from dataclasses import dataclass, replace

X_AXES = ("epoch", "step", "time")
SMOOTHING = (0.0, 0.6, 0.9, 0.97)


@dataclass(frozen=True)
class ViewState:
    """The same for all charts of a screen. `zoom` is a part of the full x range, as fractions of it."""

    axis: str = "epoch"
    log: bool = False
    smoothing: float = 0.0
    zoom: tuple[float, float] | None = None

    def next_axis(self) -> ViewState:
        return replace(self, axis=X_AXES[(X_AXES.index(self.axis) + 1) % len(X_AXES)], zoom=None)

    def next_smoothing(self) -> ViewState:
        following = SMOOTHING[(SMOOTHING.index(self.smoothing) + 1) % len(SMOOTHING)]
        return replace(self, smoothing=following)

    def zoomed(self, factor: float) -> ViewState:
        """Show `factor` times as much of x, keeping the right end in view; everything again from 1 on."""
        low, high = self.zoom or (0.0, 1.0)
        span = max((high - low) * factor, 1e-4)
        if span >= 0.999:
            return replace(self, zoom=None)
        low = min(max(high - span, 0.0), 1.0 - span)
        return replace(self, zoom=(low, low + span))

    def panned(self, share: float) -> ViewState:
        """Move the window by `share` of its width."""
        if self.zoom is None:
            return self
        low, high = self.zoom
        shift = min(max(share * (high - low), -low), 1.0 - high)
        return replace(self, zoom=(low + shift, high + shift))
