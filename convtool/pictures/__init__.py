"""Pictures in and out, and what survives beside their samples."""
