"""From a case to a finished run in a folder."""
