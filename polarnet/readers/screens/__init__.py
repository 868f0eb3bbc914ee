"""Polar maps from pictures of the screens they were shown on."""

from polarnet.readers.screens.recovery import MOST_FILLED, RecoveredMap, recover_map

__all__ = ["MOST_FILLED", "RecoveredMap", "recover_map"]
