"""From the values of a map to samples."""
