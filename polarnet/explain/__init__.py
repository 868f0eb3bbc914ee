"""Where the network looks, and whether that can be believed."""

import lazy_loader

# Names stand in __init__.pyi and load on first use: TensorFlow alone takes several seconds.
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
