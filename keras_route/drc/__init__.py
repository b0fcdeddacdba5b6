"""Check of routed DEF files by klayout: what is joined, and which rules of the LEF are broken.

It reads the files by klayout and a small reader of its own, and shares nothing with the router, so
that it is an independent witness.
"""
