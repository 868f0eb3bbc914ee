"""Where the network looks, and whether that can be believed; these names need no TensorFlow."""

from polarnet.explain.checks import Check
from polarnet.explain.regions import segment_attribution, territory_shares

__all__ = ["Check", "segment_attribution", "territory_shares"]
