"""What all tables share: one metadata, so that migrations can be compared with the declared schema."""

from sqlalchemy import DateTime, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s_idx",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    }
)

Id = Integer
Moment = DateTime(timezone=True)
# User ids sort by bytes, as in the warehouse, so that sorted streams and cursors agree.
UserId = Text(collation="C")
