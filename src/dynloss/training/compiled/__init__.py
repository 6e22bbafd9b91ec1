"""Full-batch descent of many small networks by a kernel of our own, on a processor.

``descent`` is what others call, ``kernel`` the inner loops, and ``foreign`` the way from an XLA program to them.
"""

from dynloss.training.compiled.descent import compiled_fits, descend

__all__ = ["compiled_fits", "descend"]
