"""The live page of a run that follows a stream: what it shows, who may see it, and how it is served."""
