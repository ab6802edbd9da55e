"""Gather: which files a source has, how they are cut into slices, and a slice's records written as document parts."""
