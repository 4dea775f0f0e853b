"""The previous release: what runs while this version is being rolled out, on a database that is migrated already.

A release moves this on to its own head. Until there was a first one, it is what main had before the migrations below.
"""

# The revision up to which every installation is.
PREVIOUS_REVISION = "0012"
