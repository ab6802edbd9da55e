"""What the peers' own code says about documents; each module runs in that peer's environment and needs no other package of ours than tests.naive."""
