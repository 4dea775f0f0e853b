"""What a segment definition means, in plain Python written for clarity: the referee of the SQL compiler."""
