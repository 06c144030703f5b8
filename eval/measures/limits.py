"""Which numbers may stand in a measure's name?"""

MAX_CUTOFF = 1_000_000
