"""A ClickHouse server over HTTP, or a cluster of shards, as far as clickhouse-connect uses it: carried out by chDB.

Parameters, settings, formats, compression and errors go over the wire as the server's do. What chDB cannot do, such as
replication and Keeper, is not tried here.
"""
