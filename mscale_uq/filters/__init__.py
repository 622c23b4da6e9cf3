"""One filter per file, the loop over a stream, and what they share."""
