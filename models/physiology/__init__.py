"""Hearts, tumours and other organs."""
