"""Whether this machine computes in bf16."""

from pathlib import Path
from typing import Final

import tensorflow as tf

_BF16_FLAGS: Final = {"avx512_bf16", "amx_bf16"}
_BF16_GPU: Final = (8, 0)
"""Compute capability from which NVIDIA GPUs multiply in bf16 (Ampere; NVIDIA documentation)."""


def resolve_precision(precision: str) -> str:
    """Replace "auto" by what the machine is fast in; leave any other word as it is.

    Returns
    -------
    "mixed_bfloat16" where the device that does the work computes in bf16; otherwise "float32". That
    is the first GPU that TensorFlow sees, or, where there is none, the processor, which tells on
    Linux alone and counts as not able elsewhere.
    """
    if precision != "auto":
        return precision
    if gpus := tf.config.get_visible_devices("GPU"):
        details = tf.config.experimental.get_device_details(gpus[0])
        is_able = tuple(details.get("compute_capability") or ()) >= _BF16_GPU
    else:
        is_able = _processor_has_bf16()
    return "mixed_bfloat16" if is_able else "float32"


def _processor_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    if not cpuinfo.is_file():
        return False
    text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())
