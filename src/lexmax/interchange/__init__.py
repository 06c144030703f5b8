"""How do sparse vectors pass to other tools and back? A module a format, over the same values."""
