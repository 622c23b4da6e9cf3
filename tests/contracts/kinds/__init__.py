"""One specimen of every kind of coupling. If they do not read well, the names are wrong."""
