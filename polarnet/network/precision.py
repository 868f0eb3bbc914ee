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
    "mixed_bfloat16" where the GPU or, as told by Linux, the processor computes in bf16; otherwise
    "float32". Elsewhere than on Linux the processor cannot be asked and counts as not able.
    """
    if precision != "auto":
        return precision
    return "mixed_bfloat16" if _gpu_has_bf16() or _processor_has_bf16() else "float32"


def _gpu_has_bf16() -> bool:
    details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    return any(facts.get("compute_capability", (0, 0)) >= _BF16_GPU for facts in details)


def _processor_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    if not cpuinfo.is_file():
        return False
    text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return not _BF16_FLAGS.isdisjoint(flags.split())
