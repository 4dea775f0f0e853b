"""When a connection to PostgreSQL counts as dead whose other side vanished without a word."""

# libpq's own parameters, which sockets of this machine ignore. After 5 s of silence it is asked every 2 s, twice; what
# was sent may stay without an answer of the network for 9,000 ms.
KEEPALIVE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 2, "tcp_user_timeout": 9_000}
