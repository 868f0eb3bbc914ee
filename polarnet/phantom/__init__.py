"""Simulated patients with known truth, from published physiology."""

from polarnet.phantom.simulation import make_phantom_cohort

__all__ = ["make_phantom_cohort"]
