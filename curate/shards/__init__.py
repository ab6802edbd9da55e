"""Shards: rows in Arrow files. `writer` makes them, `reader` maps them, `manufacture` fills one from one part."""
