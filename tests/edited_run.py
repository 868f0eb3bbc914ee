"""A run folder whose settings a test exchanges, as a training with them would have written it."""

import json


def exchange_settings(folder, config):
    """Write other settings into a copied run folder, where nobody may notice."""
    config.save(folder / "config.yaml")
    path = folder / "environment.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts.pop("settings", None)
    path.write_text(json.dumps(facts), encoding="utf-8")


def exchange_files(folder):
    """Let a copied run folder be one of an earlier version, which had no digests of its files."""
    path = folder / "environment.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts.pop("files", None)
    path.write_text(json.dumps(facts), encoding="utf-8")
