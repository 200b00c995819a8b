"""JPEG files, read and written band by band."""
