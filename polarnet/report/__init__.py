"""The HTML pages: of runs, of a study, of one patient's study, of an explanation."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
