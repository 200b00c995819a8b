"""Contact sheets: the input and its maps side by side."""
