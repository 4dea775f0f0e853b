"""Two and more of everything: replicas behind two edges, a cluster of the log's, and an external database."""
