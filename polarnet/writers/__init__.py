"""What is handed on: one file with a model and all that belongs to it, and ONNX."""

from polarnet.onnx import write_onnx
from polarnet.writers.bundle import write_bundle
from polarnet.writers.opening import Bundle, load_bundle

__all__ = ["Bundle", "load_bundle", "write_bundle", "write_onnx"]
