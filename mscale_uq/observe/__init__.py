"""Fields -> law of the data: sensors, counts, moments and noise laws."""
