"""What a finished run holds: draws, statistics, and what they say."""
