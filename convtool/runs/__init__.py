"""A run over many inputs: names, workers, results."""
