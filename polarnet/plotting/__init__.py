"""Every figure, in matplotlib's words. Names load on first use, as matplotlib takes a second."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
