"""Reading alert messages: strict JSON, the fields, the formats. `app/pipeline/alert.py` is the way in."""
