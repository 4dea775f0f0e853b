"""From a segment definition to the SQL that yields its users.

Literals are written into the statement itself, so that the SQL that runs is the SQL that is shown. Each event type is
read once: a branch per source gives every user a bit mask, one bit per condition, and the definition is a test of that
mask. A definition over a single source is a plain GROUP BY and HAVING.
"""

from services.warehouse.compiler.compile import Compiled, compile_definition

__all__ = ["Compiled", "compile_definition"]
