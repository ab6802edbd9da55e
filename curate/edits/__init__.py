"""Within-document edits as spans: what is cut from a text or replaced in it, why, and where it stood."""
