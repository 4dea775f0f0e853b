"""From the event log into the warehouse, every event exactly once.

Blocks of whole messages are inserted in the order of the log. Nothing is acknowledged to the log: the loader knows how
far it got from one record, `positions.Intent`, which names the block it is about to insert and is on disk before the
insert begins. Up to the block before that one everything is stored; the named block itself is in doubt after a crash,
so it is read again and settled (see `loader.Loader`).
"""
