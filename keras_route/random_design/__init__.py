"""Random placed designs as LEF and DEF files, as large as a router needs for its tests."""
